/*
 * libnl, with one socket and its own decoders: `libnl WARMUP REPEATS WORK NAME INDEX LINKS PEER` in the namespace where
 * the work is. Prints the nanoseconds of each repeat on a line of its own, without those of the warm-up; of 'keep' the
 * bytes by which the process grows for each link that it keeps. WORK:
 *
 *   links    all links in a cache         names    all links, of which names and indexes are kept
 *   visit    all links, one by one        by-name, by-index   one link
 *   pair     makes the veth pair NAME, PEER and deletes it
 *   keep     all links in a cache, once
 */
#include <err.h>
#include <malloc.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/rtnl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct nl_sock *sock;
static const char *name, *peer;
static int ifindex, links;

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void ok(int code, const char *what) {
  if (code < 0) errx(1, "%s: %s", what, nl_geterror(code));
}

static void count(int seen) {
  if (seen != links) errx(1, "%d links, where %d were made", seen, links);
}

static struct nl_cache *all_links(void) {
  struct nl_cache *cache;
  ok(rtnl_link_alloc_cache(sock, AF_UNSPEC, &cache), "rtnl_link_alloc_cache");
  count(nl_cache_nitems(cache));
  return cache;
}

static void work_links(void) { nl_cache_free(all_links()); }

static struct named {
  int ifindex;
  char name[IFNAMSIZ];
} *kept;
static int kept_count;

static void keep_name(struct nl_object *object, void *unused) {
  (void)unused;
  struct rtnl_link *link = (struct rtnl_link *)object;
  struct named *to = &kept[kept_count++];
  to->ifindex = rtnl_link_get_ifindex(link);
  snprintf(to->name, sizeof to->name, "%s", rtnl_link_get_name(link));
}

/* The library decodes all that it knows whatever is wanted. */
static void work_names(void) {
  struct nl_cache *cache = all_links();
  kept = calloc((size_t)links, sizeof *kept);
  kept_count = 0;
  nl_cache_foreach(cache, keep_name, NULL);
  nl_cache_free(cache);
  free(kept);
}

static void see(struct nl_object *object, void *seen) {
  if (rtnl_link_get_ifindex((struct rtnl_link *)object) > 0) ++*(int *)seen;
}

static int parse(struct nl_msg *message, void *seen) {
  ok(nl_msg_parse(message, see, seen), "nl_msg_parse");
  return NL_OK;
}

static void work_visit(void) {
  int seen = 0;
  ok(nl_rtgen_request(sock, RTM_GETLINK, AF_UNSPEC, NLM_F_DUMP), "RTM_GETLINK");
  ok(nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, parse, &seen), "nl_socket_modify_cb");
  ok(nl_recvmsgs_default(sock), "nl_recvmsgs_default");
  count(seen);
}

static void one_link(int by_index, const char *by_name) {
  struct rtnl_link *link;
  ok(rtnl_link_get_kernel(sock, by_index, by_name, &link), "rtnl_link_get_kernel");
  if (rtnl_link_get_ifindex(link) != ifindex) errx(1, "another link");
  rtnl_link_put(link);
}

static void work_by_name(void) { one_link(0, name); }
static void work_by_index(void) { one_link(ifindex, NULL); }

static void work_pair(void) {
  struct rtnl_link *first = rtnl_link_veth_alloc(), *second = rtnl_link_veth_get_peer(first);
  rtnl_link_set_name(first, name);
  rtnl_link_set_name(second, peer);
  ok(rtnl_link_add(sock, first, NLM_F_CREATE | NLM_F_EXCL), "rtnl_link_add");
  ok(rtnl_link_delete(sock, first), "rtnl_link_delete");
  rtnl_link_put(second);
  rtnl_link_put(first);
}

/* Bytes of memory, after what was freed is given back to the system. */
static long resident(void) {
  char line[256];
  long kib = -1;
  malloc_trim(0);
  FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
  if (!rollup) err(1, "smaps_rollup");
  while (kib < 0 && fgets(line, sizeof line, rollup)) sscanf(line, "Rss: %ld kB", &kib);
  fclose(rollup);
  return kib * 1024;
}

static void keep(void) {
  work_by_index(); /* everything is loaded and open */
  long before = resident();
  struct nl_cache *cache = all_links();
  printf("%ld\n", (resident() - before) / links);
  nl_cache_free(cache);
}

static const struct work {
  const char *name;
  void (*once)(void);
} works[] = {
    {"links", work_links},     {"names", work_names},       {"visit", work_visit},
    {"by-name", work_by_name}, {"by-index", work_by_index}, {"pair", work_pair},
};

static void run(const struct work *work, int warmup, int repeats) {
  for (int i = -warmup; i < repeats; i++) {
    int64_t begun = now_ns();
    work->once();
    int64_t taken = now_ns() - begun;
    if (i >= 0) printf("%lld\n", (long long)taken);
  }
}

int main(int argc, char **argv) {
  if (argc != 8) errx(2, "usage: libnl WARMUP REPEATS WORK NAME INDEX LINKS PEER");
  name = argv[4];
  ifindex = atoi(argv[5]);
  links = atoi(argv[6]);
  peer = argv[7];
  sock = nl_socket_alloc();
  if (!sock) errx(1, "nl_socket_alloc");
  ok(nl_connect(sock, NETLINK_ROUTE), "nl_connect");
  if (strcmp(argv[3], "keep") == 0) {
    keep();
    return 0;
  }
  for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
    if (strcmp(works[i].name, argv[3]) != 0) continue;
    run(&works[i], atoi(argv[1]), atoi(argv[2]));
    return 0;
  }
  errx(2, "no work '%s'", argv[3]);
}
