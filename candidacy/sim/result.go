package sim

// result is what was measured of one case with one seed and one policy.
type result struct {
	Requests   int // measured
	Errors     int // of these, that the client did not get its answer to
	Refusals   int
	Unfinished int // at the end of the simulation

	latency histogram // of those without an error, in seconds

	spreads float64
	samples int
}

// count counts a measured request that is finished.
func (res *result) count(r *request, now int64, good bool) {
	res.Refusals += r.refusals
	if !good {
		res.Errors++
		return
	}
	res.latency.add(float64(now-r.arrived) / 1e9)
}

// merge adds what was measured with another seed.
func (res *result) merge(o *result) {
	res.Requests += o.Requests
	res.Errors += o.Errors
	res.Refusals += o.Refusals
	res.Unfinished += o.Unfinished
	res.latency.merge(&o.latency)
	res.spreads += o.spreads
	res.samples += o.samples
}
