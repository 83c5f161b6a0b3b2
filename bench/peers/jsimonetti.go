// github.com/jsimonetti/rtnetlink, with one connection:
// `jsimonetti WARMUP REPEATS WORK NAME INDEX LINKS PEER` in the namespace where the work is. Prints the nanoseconds of
// each repeat on a line of its own, without the warm-up's; of WORK 'keep' what resident.go does.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/jsimonetti/rtnetlink"
)

type named struct {
	index uint32
	name  string
}

// What is kept is kept here, or the compiler would see that nobody looks at it.
var (
	keptLinks []rtnetlink.LinkMessage
	keptNames []named
)

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	index, links := number(os.Args[5]), number(os.Args[6])
	conn, err := rtnetlink.Dial(nil)
	check(err)

	list := func() []rtnetlink.LinkMessage {
		all, err := conn.Link.List()
		check(err)
		if len(all) != links {
			log.Fatalf("%d links, where %d were made", len(all), links)
		}
		return all
	}
	works := map[string]func(){
		"links": func() { keptLinks = list() },
		// The library decodes all that it knows whatever is wanted.
		"names": func() {
			keptNames = make([]named, 0, links)
			for _, link := range list() {
				keptNames = append(keptNames, named{link.Index, link.Attributes.Name})
			}
		},
		"by-index": func() {
			link, err := conn.Link.Get(uint32(index))
			check(err)
			if link.Index != uint32(index) {
				log.Fatal("another link")
			}
		},
	}
	if os.Args[3] == "keep" {
		keep(links, works["by-index"], works["links"])
		return
	}
	once, known := works[os.Args[3]]
	if !known {
		log.Fatalf("no work '%s'", os.Args[3])
	}
	warmUp, repeats := number(os.Args[1]), number(os.Args[2])
	for i := -warmUp; i < repeats; i++ {
		begun := time.Now()
		once()
		taken := time.Since(begun)
		if i >= 0 {
			fmt.Println(taken.Nanoseconds())
		}
	}
}
