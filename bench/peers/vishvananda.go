// github.com/vishvananda/netlink, with one handle and its socket:
// `vishvananda WARMUP REPEATS WORK NAME INDEX LINKS PEER` in the namespace where the work is; descriptor 4 is the other
// namespace, where the peer is. Prints the nanoseconds of each repeat on a line of its own, without the warm-up's; of WORK
// 'keep' what resident.go does.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const otherNetns = 4

type named struct {
	index int
	name  string
}

// What is kept is kept here, or the compiler would see that nobody looks at it.
var (
	keptLinks []netlink.Link
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

func handleAt(ns netns.NsHandle) *netlink.Handle {
	handle, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	check(err)
	return handle
}

func main() {
	name, index, links, peer := os.Args[4], number(os.Args[5]), number(os.Args[6]), os.Args[7]
	here, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	check(err)
	var there *netlink.Handle

	list := func() []netlink.Link {
		all, err := here.LinkList()
		check(err)
		if len(all) != links {
			log.Fatalf("%d links, where %d were made", len(all), links)
		}
		return all
	}
	same := func(link netlink.Link, err error) netlink.Link {
		check(err)
		if link.Attrs().Index != index {
			log.Fatal("another link")
		}
		return link
	}
	works := map[string]func(){
		"links": func() { keptLinks = list() },
		// The library decodes all that it knows whatever is wanted.
		"names": func() {
			keptNames = make([]named, 0, links)
			for _, link := range list() {
				keptNames = append(keptNames, named{link.Attrs().Index, link.Attrs().Name})
			}
		},
		"by-name":  func() { same(here.LinkByName(name)) },
		"by-index": func() { same(here.LinkByIndex(index)) },
		// Where to look is known; that the peer is there is asked each time.
		"peer": func() {
			if there == nil {
				there = handleAt(netns.NsHandle(otherNetns))
			}
			attrs := same(here.LinkByName(name)).Attrs()
			id, err := here.GetNetNsIdByFd(otherNetns)
			check(err)
			if id != attrs.NetNsID {
				log.Fatal("another namespace")
			}
			_, err = there.LinkByIndex(attrs.ParentIndex)
			check(err)
		},
		"pair": func() {
			veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, TxQLen: -1}, PeerName: peer}
			check(here.LinkAdd(veth))
			check(here.LinkDel(veth))
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
