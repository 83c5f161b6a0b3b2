// What both Go programs do for WORK 'keep'. `one` has loaded and opened everything, `list` keeps all links.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// Bytes of resident memory, after garbage is collected and given back to the system.
func resident() int {
	debug.FreeOSMemory()
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	check(err)
	_, kib, _ := strings.Cut(string(rollup), "\nRss:")
	return 1024 * number(strings.Fields(kib)[0])
}

func keep(links int, one, list func()) {
	one()
	before := resident()
	list()
	fmt.Println((resident() - before) / links)
}
