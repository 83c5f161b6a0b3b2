/*
 * What npm run bench does, done with libbpf: live frames out of the generator's device, and at the NIC a program that
 * drops them or redirects them into the target.
 *
 *   redirect CPU FRAMES PARTS GEN NIC TARGET PEER FRAME NAME
 *
 * in network namespaces that are its descriptors: 3 the generator's, 4 the NIC's and the target's, 5 the peer's. Devices
 * by index; with TARGET 0 the NIC drops, and PEER is the NIC in namespace 4. FRAME in hexadecimal digits, NAME of its programs. It
 * prints how many frames were sent, received by the NIC and received by the peer, and the nanoseconds, of PARTS runs after one more.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <ifaddrs.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { GENERATOR = 3, HOST = 4, CONTAINER = 5 };
enum { MOST_BYTES = 4096, STILL_MS = 10 };

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void enter(int netns) { check(setns(netns, CLONE_NEWNET) == 0, "setns"); }

static const char *name_of_programs;

static int load(const struct bpf_insn *code, size_t count) {
  int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, name_of_programs, "MIT", code, count, NULL);
  check(fd >= 0, "bpf_prog_load");
  return fd;
}

static int load_redirect(int ifindex) {
  const struct bpf_insn code[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = ifindex},
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0},
      {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
      {.code = BPF_JMP | BPF_EXIT},
  };
  return load(code, sizeof code / sizeof *code);
}

static int load_drop(void) {
  const struct bpf_insn code[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_DROP},
      {.code = BPF_JMP | BPF_EXIT},
  };
  return load(code, sizeof code / sizeof *code);
}

/* The device's rx_packets, of 32 bits. */
static uint32_t received(int netns, int ifindex) {
  char name[IF_NAMESIZE];
  struct ifaddrs *all = NULL;
  uint32_t packets = 0;
  enter(netns);
  check(if_indextoname((unsigned)ifindex, name) != NULL && getifaddrs(&all) == 0, "getifaddrs");
  for (struct ifaddrs *one = all; one; one = one->ifa_next)
    if (one->ifa_addr && one->ifa_addr->sa_family == AF_PACKET && strcmp(one->ifa_name, name) == 0)
      packets = ((struct rtnl_link_stats *)one->ifa_data)->rx_packets;
  freeifaddrs(all);
  return packets;
}

static uint32_t received_at_last(int netns, int ifindex) {
  const struct timespec pause = {0, STILL_MS * 1000000};
  uint32_t before, now = received(netns, ifindex);
  do {
    before = now;
    nanosleep(&pause, NULL);
    now = received(netns, ifindex);
  } while (now != before);
  return now;
}

int main(int count, char **words) {
  static unsigned char frame[MOST_BYTES];
  if (count != 10) return 2;
  name_of_programs = words[9];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int cpu = atoi(words[1]), frames = atoi(words[2]), parts = atoi(words[3]);
  int gen = atoi(words[4]), nic = atoi(words[5]), target = atoi(words[6]), peer = atoi(words[7]);
  size_t length = 0;
  for (unsigned byte; length < MOST_BYTES && sscanf(words[8] + 2 * length, "%2x", &byte) == 1;) frame[length++] = byte;
  int last = target == 0 ? HOST : CONTAINER;

  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  check(sched_setaffinity(0, sizeof cpus, &cpus) == 0, "sched_setaffinity");

  enter(HOST);
  LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
  int link = bpf_link_create(target == 0 ? load_drop() : load_redirect(target), nic, BPF_XDP, &native);
  check(link >= 0, "bpf_link_create");

  int generator = load_redirect(gen);
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = (uint32_t)length, .repeat = frames,
              .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
  uint32_t nic_before = 0, peer_before = 0;
  double nanoseconds = 0;
  for (int part = -1; part < parts; part++) {
    enter(GENERATOR);
    check(bpf_prog_test_run_opts(generator, &run) == 0, "BPF_PROG_TEST_RUN");
    if (part >= 0) {
      nanoseconds += (run.duration + 0.5) * frames; /* the kernel rounds it down */
    } else {
      nic_before = received_at_last(HOST, nic);
      peer_before = received_at_last(last, peer);
    }
  }
  uint32_t nic_received = received_at_last(HOST, nic) - nic_before;
  uint32_t peer_received = received_at_last(last, peer) - peer_before;
  printf("%d %u %u %.0f\n", parts * frames, nic_received, peer_received, nanoseconds);
  return 0;
}
