// Package config reads the one TOML file of an agent and checks it: every mistake of a file is reported at once, each
// with its line and what to do about it.
//
// A key that is not known is a mistake, and so is a duration without a unit. The checks of an address, a chain or a route
// are those of the packages that use them; nothing is judged twice.
package config
