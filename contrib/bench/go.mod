// Measures backhand beside other proxies; see README.md. The standard library is enough for that.
module backhand/contrib/bench

go 1.26.0
