// Measures how well backhand chooses, on real agents; see README.md. The standard library is enough for that.
module backhand/contrib/testbed

go 1.26.0
