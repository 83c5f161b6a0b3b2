"""
pyroute2, with one IPRoute: `pyroute2.py WARMUP REPEATS WORK NAME INDEX LINKS PEER` in the namespace where the work is;
descriptor 4 is the other namespace, where the peer is. Prints the nanoseconds of each repeat on a line of its own,
without the warm-up's; of WORK 'keep' the bytes by which the process grows for each link that it keeps.
"""
import gc
import sys
import time

if sys.path[0].endswith('/peers'):
    del sys.path[0]  # this file has the library's name

from pyroute2 import IPRoute, NetNS  # noqa: E402

warm_up, repeats, work, name, index, links, peer = sys.argv[1:]
index, links = int(index), int(links)
OTHER_NETNS = 4
here = IPRoute()
there = None
ethtool = None


def all_links():
    found = here.get_links()
    if len(found) != links:
        sys.exit(f'{len(found)} links, where {links} were made')
    return found


def one(found):
    link = found[0]
    if link['index'] != index:
        sys.exit('another link')
    return decoded(link)


def decoded(link):
    """Attributes are decoded when they are looked at."""
    return [(attribute[0], attribute[1]) for attribute in link['attrs']]


def work_links():
    return [decoded(link) for link in all_links()]


def work_names():
    return [(link['index'], link.get_attr('IFLA_IFNAME')) for link in all_links()]


def work_by_name():
    return one(here.link('get', ifname=name))


def work_by_index():
    return one(here.link('get', index=index))


def work_features():
    global ethtool
    from pyroute2.ethtool import Ethtool  # a start that asks for a link does not pay for it

    ethtool = ethtool or Ethtool()
    return ethtool.get_features(name)


def work_toggle():
    """Off and on again; the library reads all features for each."""
    for on in False, True:
        features = work_features()
        features.features['rx-gro'].enable = on
        ethtool.set_features(name, features)


def work_peer():
    """Where to look is known; that the peer is there is asked each time."""
    global there
    there = there or NetNS(f'/proc/self/fd/{OTHER_NETNS}', flags=0)
    link = here.link('get', ifname=name)[0]
    if here.get_netnsid(fd=OTHER_NETNS)['nsid'] != link.get_attr('IFLA_LINK_NETNSID'):
        sys.exit('another namespace')
    return there.link('get', index=link.get_attr('IFLA_LINK'))


def work_pair():
    here.link('add', ifname=name, kind='veth', peer={'ifname': peer})
    here.link('del', index=here.link_lookup(ifname=name)[0])


def resident():
    """Bytes of memory, after garbage is collected."""
    gc.collect()
    with open('/proc/self/smaps_rollup') as rollup:
        return next(1024 * int(line.split()[1]) for line in rollup if line.startswith('Rss:'))


if work == 'keep':
    work_by_index()  # everything is loaded and open
    before = resident()
    kept = work_links()
    print((resident() - before) / links)
    sys.exit()

once = globals()['work_' + work.replace('-', '_')]
kept = None
for i in range(-int(warm_up), int(repeats)):
    begun = time.monotonic_ns()
    kept = once()
    taken = time.monotonic_ns() - begun
    if i >= 0:
        print(taken)
if there is not None:
    there.close()
