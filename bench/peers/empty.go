// The least that a Go program takes from its beginning to its end.
package main

func main() {}
