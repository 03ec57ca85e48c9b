package config

import "strings"

// nearest returns the name that the user most likely meant, or "".
func nearest(typed string, names []string) string {
	typed = strings.ToLower(typed)
	if len(typed) > 32 {
		return ""
	}
	best, bestAt := "", 3
	for _, n := range names {
		// Of a short name, two wrong letters are too many.
		if d := distance(typed, strings.ToLower(n)); d < bestAt && d*2 < max(len(n), 2) {
			best, bestAt = n, d
		}
	}
	return best
}

// distance returns how many letters must be put in, left out, replaced or swapped with their neighbour to make b of a
// (optimal string alignment).
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
