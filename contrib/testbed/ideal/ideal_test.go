package ideal

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestChoose(t *testing.T) {
	for _, row := range []struct {
		name     string
		n        []int // under way
		slowness []float64
		fails    []bool
		want     []int // any of
	}{
		{"any of those that are free", []int{0, 0}, []float64{1, 1}, nil, []int{0, 1}},
		{"the one with less", []int{2, 1}, []float64{1, 1}, nil, []int{1}},
		{"the faster one", []int{0, 0}, []float64{3, 1}, nil, []int{1}},
		{"the faster one with a place, though it has more", []int{0, 3}, []float64{3, 1}, nil, []int{1}},
		{"the slow one, where the other is full", []int{0, 5}, []float64{3, 1}, nil, []int{0}},
		{"not the one that fails", []int{9, 0}, []float64{1, 1}, []bool{false, true}, []int{0}},
		{"somebody, if all fail", []int{0, 0}, []float64{1, 1}, []bool{true, true}, []int{0}},
	} {
		t.Run(row.name, func(t *testing.T) {
			chosen := map[int]bool{}
			for range 100 {
				f := newFront(Spec{Members: make([]string, len(row.n)), Slots: 4})
				for i, m := range f.members {
					m.n, m.slowness = row.n[i], row.slowness[i]
					m.fails = row.fails != nil && row.fails[i]
				}
				best := f.choose()
				for i, m := range f.members {
					if m == best {
						chosen[i] = true
						if m.n != row.n[i]+1 {
							t.Fatalf("it has %d under way, want %d", m.n, row.n[i]+1)
						}
					}
				}
			}
			if len(chosen) != len(row.want) {
				t.Errorf("chosen: %v, want each of %v", chosen, row.want)
			}
			for _, i := range row.want {
				if !chosen[i] {
					t.Errorf("%d was never chosen", i)
				}
			}
		})
	}
}

func TestItIsTold(t *testing.T) {
	f := newFront(Spec{Members: []string{"a", "b"}, Slots: 4})
	for _, row := range []struct {
		query  string
		status int
	}{
		{"member=1&slowness=6&fails=true", http.StatusOK},
		{"member=2&slowness=6", http.StatusBadRequest},
		{"member=-1&slowness=6", http.StatusBadRequest},
		{"member=0", http.StatusBadRequest},
	} {
		w := httptest.NewRecorder()
		f.control(w, httptest.NewRequest(http.MethodPut, "/control?"+row.query, nil))
		if w.Code != row.status {
			t.Errorf("%s: %d, want %d", row.query, w.Code, row.status)
		}
	}
	if m := f.members[1]; m.slowness != 6 || !m.fails || f.members[0].slowness != 1 {
		t.Errorf("members: %+v, %+v", f.members[0], m)
	}
}
