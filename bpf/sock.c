/*
 * What veth-nl needs of Linux and Node does not offer: network namespaces, netlink sockets, bpf(2), Ethernet frames. What
 * each function takes and returns is in src/kernel/shim.ts. Here: where work runs, the work, how JavaScript asks for it.
 *
 * It names no header but the compiler's own and no library, so that one ELF per processor loads under every libc: what
 * stays undefined is found in the running process, by name without version. Hence no condition variables (that name
 * alone means glibc 2.2's), and no atomics, 64-bit division or conversion to double (which may call into libgcc).
 */
#include <stddef.h>
#include <stdint.h>

/* ---- Linux and libc. The numbers are asm-generic's, which the processors named here use. ---- */

#if defined(__x86_64__) && defined(__LP64__)
#define SYS_bpf 321
#define SYS_statx 332
#define SYS_perf_event_open 298
#elif defined(__aarch64__) || defined(__riscv) || defined(__loongarch__)
#define SYS_bpf 280
#define SYS_statx 291
#define SYS_perf_event_open 241
#elif defined(__s390x__)
#define SYS_bpf 351
#define SYS_statx 379
#define SYS_perf_event_open 331
#elif defined(__powerpc64__)
#define SYS_bpf 361
#define SYS_statx 383
#define SYS_perf_event_open 319
#elif defined(__arm__)
#define SYS_bpf 386
#define SYS_statx 397
#define SYS_perf_event_open 364
#else
#error "veth-nl: the numbers of bpf(2), statx(2) and perf_event_open(2) on this processor are missing here"
#endif
#ifdef __powerpc64__
#define PERF_EVENT_IOC_SET_BPF 0x80042408
#else
#define PERF_EVENT_IOC_SET_BPF 0x40042408
#endif

enum { EINTR = 4, E2BIG = 7, EBADF = 9, EAGAIN = 11, ENOMEM = 12, EBUSY = 16, EINVAL = 22, EMFILE = 24 };
enum { ENOBUFS = 105, ETIMEDOUT = 110, ESTALE = 116, ECANCELED = 125 };
enum { O_CLOEXEC = 02000000, SOCK_CLOEXEC = O_CLOEXEC, EFD_CLOEXEC = O_CLOEXEC, EFD_NONBLOCK = 04000 };
enum { EFD_SEMAPHORE = 1 };
enum { AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000, STATX_INO = 0x100 };
enum { CLONE_NEWNET = 0x40000000, MS_BIND = 4096, MNT_DETACH = 2 };
enum { AF_NETLINK = 16, AF_PACKET = 17, SOCK_RAW = 3, MSG_TRUNC = 0x20, MSG_DONTWAIT = 0x40, POLLIN = 1 };
enum { SOL_SOCKET = 1, SO_RCVBUF = 8, SO_RCVBUFFORCE = 33, SOL_NETLINK = 270, NETLINK_ADD_MEMBERSHIP = 1 };
enum { NETLINK_LISTEN_ALL_NSID = 8, NETLINK_CAP_ACK = 10, NETLINK_EXT_ACK = 11, NETLINK_GET_STRICT_CHK = 12 };
enum { PERF_TYPE_TRACEPOINT = 2, PERF_ATTR_SIZE_VER0 = 64, PERF_FLAG_FD_CLOEXEC = 8 };
enum { NLM_F_MULTI = 2, NLM_F_DUMP = 0x300, NLMSG_ERROR = 2, NLMSG_DONE = 3, CLOCK_MONOTONIC = 1, SIG_SETMASK = 2 };

struct nlmsghdr { uint32_t len; uint16_t type, flags; uint32_t seq, pid; };
struct sockaddr_nl { uint16_t family, pad; uint32_t pid, groups; };
struct sockaddr_ll { uint16_t family, protocol; int32_t ifindex; uint16_t hatype; uint8_t pkttype, halen, addr[8]; };
struct iovec { void *at; size_t length; };
struct msghdr {
  void *name;
  unsigned name_size;
  struct iovec *parts;
  size_t part_count;
  void *control;
  size_t control_size;
  int flags;
};
struct cmsghdr { size_t size; int level, type; };
struct statx { uint64_t before[4], ino; uint8_t after[216]; };
struct perf_event_attr { uint32_t type, size; uint64_t config, others[6]; };
struct pollfd { int fd; short events, revents; };
struct timespec { long sec, nsec; };
typedef struct { uint64_t signals[16]; } sigset_t;
typedef unsigned long pthread_t;
typedef struct { uint64_t opaque[8]; } pthread_mutex_t; /* no smaller than any libc's; zero: unlocked, as in all */

int *__errno_location(void);
void *calloc(size_t, size_t), *malloc(size_t);
void free(void *), abort(void);
void *memcpy(void *, const void *, size_t), *memset(void *, int, size_t);
size_t strlen(const char *);
int open(const char *, int, ...), close(int), eventfd(unsigned, int);
long read(int, void *, size_t), write(int, const void *, size_t), syscall(long, ...);
int ioctl(int, unsigned long, ...);
int unshare(int), setns(int, int), umount2(const char *, int);
int mount(const char *, const char *, const char *, unsigned long, const void *);
int socket(int, int, int), connect(int, const void *, unsigned);
int setsockopt(int, int, int, const void *, unsigned);
long send(int, const void *, size_t, int), sendto(int, const void *, size_t, int, const void *, unsigned);
long recv(int, void *, size_t, int), recvmsg(int, struct msghdr *, int);
int poll(struct pollfd *, unsigned long, int), clock_gettime(int, struct timespec *);
int ppoll(struct pollfd *, unsigned long, const struct timespec *, const void *);
int sigfillset(sigset_t *), pthread_sigmask(int, const sigset_t *, sigset_t *);
int pthread_create(pthread_t *, const void *, void *(*)(void *), void *), pthread_join(pthread_t, void **);
int pthread_mutex_lock(pthread_mutex_t *), pthread_mutex_unlock(pthread_mutex_t *);

/* ---- Node-API, version 8: https://nodejs.org/api/n-api.html ---- */

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_ref__ *napi_ref;
typedef struct napi_async_work__ *napi_async_work;
typedef struct napi_callback_info__ *napi_callback_info;
typedef struct napi_threadsafe_function__ *napi_threadsafe_function;
enum { napi_ok = 0 };
enum { napi_undefined = 0, napi_null = 1, napi_function = 7 };
enum { napi_uint8_array = 1, napi_uint32_array = 6 };
enum { napi_tsfn_nonblocking = 0, napi_tsfn_abort = 1 };

int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void *);
int napi_typeof(napi_env, napi_value, int *);
int napi_get_value_int64(napi_env, napi_value, int64_t *), napi_create_int64(napi_env, int64_t, napi_value *);
int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);
int napi_create_string_utf8(napi_env, const char *, size_t, napi_value *);
int napi_get_typedarray_info(napi_env, napi_value, int *, size_t *, void *, napi_value *, size_t *);
int napi_create_array(napi_env, napi_value *), napi_get_array_length(napi_env, napi_value, uint32_t *);
int napi_get_element(napi_env, napi_value, uint32_t, napi_value *);
int napi_set_element(napi_env, napi_value, uint32_t, napi_value);
int napi_create_reference(napi_env, napi_value, uint32_t, napi_ref *), napi_delete_reference(napi_env, napi_ref);
int napi_get_reference_value(napi_env, napi_ref, napi_value *), napi_get_undefined(napi_env, napi_value *);
int napi_call_function(napi_env, napi_value, napi_value, size_t, const napi_value *, napi_value *);
int napi_create_async_work(napi_env, napi_value, napi_value, void (*)(napi_env, void *),
                           void (*)(napi_env, int, void *), void *, napi_async_work *);
int napi_queue_async_work(napi_env, napi_async_work), napi_delete_async_work(napi_env, napi_async_work);
int napi_create_function(napi_env, const char *, size_t, napi_value (*)(napi_env, napi_callback_info), const void *,
                         napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
int napi_set_instance_data(napi_env, void *, void *, void *), napi_get_instance_data(napi_env, void *);
int napi_add_env_cleanup_hook(napi_env, void (*)(void *), void *);
int napi_remove_env_cleanup_hook(napi_env, void (*)(void *), void *);
int napi_create_threadsafe_function(napi_env, napi_value, napi_value, napi_value, size_t, size_t, void *,
                                    void (*)(napi_env, void *, void *), void *,
                                    void (*)(napi_env, napi_value, void *, void *), napi_threadsafe_function *);
int napi_call_threadsafe_function(napi_threadsafe_function, void *, int);
int napi_release_threadsafe_function(napi_threadsafe_function, int);
int napi_ref_threadsafe_function(napi_env, napi_threadsafe_function);
int napi_unref_threadsafe_function(napi_env, napi_threadsafe_function);
int napi_throw_error(napi_env, const char *, const char *);

/* ---- What there is ---- */

enum { SLOTS = 512, IDLE_MS = 500, DUMP_MS = 30000, JANITOR_MS = 200, LOOK_MS = 100, DUMP_ROOM = 32768 };
enum { ATTR_ROOM = 512, POINTERS = 8, SEND_WORDS = 7, FRAME_TRIES = 20, ROOMS = 4, ROOM = 128 * 1024, ROOM_WORDS = 2 * 32 };
enum { ARGUMENTS = 8, PART = 256 * 1024, PARTS = 8, EVENT_ROOM = 64 * 1024, HELD_WORDS = 1024 };

/* A socket and its handle. */
struct slot {
  enum { FREE, IDLE, BUSY, DOOMED } state; /* DOOMED: closed meanwhile; the exchange that is busy with it will do it */
  int fd;
  int is_in_dump; /* of which the rest is to come: between two exchanges it is not idle as others are */
  int64_t handle; /* generation * SLOTS + index: never used twice */
  int64_t used_at;
  int64_t looked_at; /* whether its namespace is still the caller's */
  int64_t error; /* met behind datagrams; the next exchange's answer */
};

/* What a dump has brought while JavaScript was busy with what came before. */
struct room {
  uint32_t words[ROOM_WORDS];
  size_t count; /* words */
  size_t length;
  uint8_t bytes[ROOM];
};

/* A thread that has the kernel write the rest of a dump, one dump at a time. */
struct reader {
  pthread_t thread;
  struct room *rooms; /* NULL: not started */
  int wake, news;     /* eventfds: for the thread; and for those who wait for it, one unit each */
  int64_t handle;     /* of the socket whose dump it is; 0: nobody wants it */
  struct slot *slot;  /* while there is more to come */
  unsigned filled, taken; /* rooms of this dump */
  unsigned waiting;   /* who has not been told the news */
  int is_unfit;       /* it lost something, perhaps for want of room: dumps are read without it */
  int leaves;
};

/* Stands before each datagram in a subscription's queue; or for a loss, with no length. */
struct record { uint32_t length, sender; int32_t nsid; };

/* What JavaScript fetches at once. */
struct part {
  size_t length;
  uint8_t bytes[PART];
};

/* A socket in multicast groups, with a thread that queues what it hears until JavaScript fetches it. */
struct subscription {
  struct subscription *next; /* of the environment's */
  int64_t handle;
  napi_threadsafe_function news;
  pthread_t thread;
  int fd, wake;         /* wake: an eventfd, for the thread */
  pthread_mutex_t lock; /* over what follows */
  int is_told;          /* JavaScript is called and has not fetched yet */
  int is_full, has_lost, leaves;
  struct part *parts;
  unsigned taken, filling; /* the part to be fetched next, and the one that the thread fills: maybe the same */
  uint8_t heard[EVENT_ROOM]; /* by the thread alone: a datagram on its way into the queue */
};

/* What Node's main thread has, and each of its worker threads. */
struct environment {
  pthread_mutex_t lock; /* over all but the last three */
  struct slot slots[SLOTS];
  int64_t generation;
  enum janitor { NONE, WATCHING, RESTING, LEAVING } janitor; /* RESTING: until it is woken; there is no socket */
  pthread_t janitor_thread;
  struct reader reader;
  uint64_t held[HELD_WORDS]; /* a bit for each descriptor of BPF and of tracepoints that is open */
  int wake;    /* an eventfd, for the janitor */
  int holders; /* itself and its pool work; counted on its own thread */
  int64_t last_subscription; /* its handle; both are its own thread's too */
  struct subscription *subscriptions;
};

/* One call: its arguments, then what it takes to run it on libuv's pool. */
struct job {
  const struct kind *kind;
  struct environment *environment;
  int netns;  /* a descriptor; -1: the thread's own */
  int number; /* protocol, bpf command, tracepoint, ifindex, time limit in ms, or whether */
  int count;  /* frames, or a socket's receive buffer in bytes */
  int is_for_all;
  int64_t handle;
  struct { uint8_t *at; size_t length; } request, bytes; /* bytes: to receive into, bpf's attributes, or a frame */
  struct { uint32_t *at; size_t length; } words, sends; /* sends: or groups */
  struct { size_t offset; void *to; } pointers[POINTERS];
  size_t pointer_count;
  int64_t result;
  napi_env env;        /* these two on JavaScript's own thread only */
  napi_value callback;
  napi_async_work work;
  napi_ref kept; /* an array: the callback, and all that must outlive the call */
  char path[4096]; /* last, for it is not zeroed each time */
};

struct kind {
  const char *name, *arguments; /* a letter each, see parse() */
  int64_t (*run)(struct job *); /* knows where: here, in_netns, … */
  int64_t (*work)(struct job *);
};

static int64_t failure(void) { return -*__errno_location(); }

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.sec * 1000 + now.nsec / 1000000;
}

/* ---- Where work runs ---- */

static int64_t here(struct job *job) { return job->kind->work(job); }

/* With all signals blocked: Node's handlers belong on Node's threads. */
static int64_t start_thread(pthread_t *thread, void *(*body)(void *), void *argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(thread, NULL, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return -error;
}

static void *enter_and_stay(void *argument) {
  struct job *job = argument;
  int there = job->netns == -1 || setns(job->netns, CLONE_NEWNET) == 0;
  job->result = there ? here(job) : failure();
  return NULL;
}

static int64_t on_new_thread(struct job *job) {
  pthread_t thread;
  int64_t error = start_thread(&thread, enter_and_stay, job);
  if (error) return error;
  pthread_join(thread, NULL);
  return job->result;
}

#define THREAD_NETNS "/proc/thread-self/ns/net"

/*
 * Entering can be one-way: CAP_SYS_ADMIN in a user namespace of one's own opens the way in, while the way back needs it
 * in the outer one. So try the way back first, and where it is closed spend a thread.
 */
static int64_t in_netns(struct job *job) {
  if (job->netns == -1) return here(job);
  int64_t result;
  int own = open(THREAD_NETNS, O_CLOEXEC);
  if (own == job->netns) {
    result = -EBADF; /* nothing had that number until now */
  } else if (own < 0 || setns(own, CLONE_NEWNET) != 0) {
    result = on_new_thread(job);
  } else if (setns(job->netns, CLONE_NEWNET) != 0) {
    result = failure();
  } else {
    result = here(job);
    if (setns(own, CLONE_NEWNET) != 0) {
      static const char last_words[] = "veth-nl: this thread cannot return to its network namespace: aborting\n";
      write(2, last_words, sizeof last_words - 1);
      abort();
    }
  }
  if (own >= 0) close(own);
  return result;
}

/* ---- Descriptors that are JavaScript's to close: where that ends before it could, they would stay open ---- */

static void hold(struct environment *environment, int64_t fd, int open) {
  if (fd < 0 || fd >= HELD_WORDS * 64) return;
  uint64_t bit = (uint64_t)1 << fd % 64;
  pthread_mutex_lock(&environment->lock);
  uint64_t *word = &environment->held[fd / 64];
  *word = open ? *word | bit : *word & ~bit;
  pthread_mutex_unlock(&environment->lock);
}

static void close_held(struct environment *environment) {
  for (int fd = 0; fd < HELD_WORDS * 64; fd++)
    if (environment->held[fd / 64] >> fd % 64 & 1) close(fd);
}

/* ---- Namespaces ---- */

static int64_t create_netns(struct job *job) {
  if (unshare(CLONE_NEWNET) != 0) return failure();
  int made = *job->path ? mount(THREAD_NETNS, job->path, "none", MS_BIND, NULL) : open(THREAD_NETNS, O_CLOEXEC);
  return made >= 0 ? made : failure();
}

static int64_t inode_of(int at, const char *path) {
  struct statx file;
  long done = syscall(SYS_statx, (long)at, path, (long)AT_EMPTY_PATH, (long)STATX_INO, &file);
  return done == 0 ? (int64_t)file.ino : failure();
}

/* Of each request to another namespace: five times as fast as Node's stat. */
static int64_t inode(struct job *job) { return inode_of(job->netns == -1 ? AT_FDCWD : job->netns, job->path); }

/* Of descriptors that only the shim has made: Node's own close() warns of them in worker threads. */
static int64_t close_descriptor(struct job *job) {
  hold(job->environment, job->netns, 0);
  return close(job->netns) == 0 ? 0 : failure();
}

static int64_t unmount(struct job *job) { return umount2(job->path, MNT_DETACH) == 0 ? 0 : failure(); }

/* ---- Sockets. One that is open pins its namespace: a thread closes the idle, even while JavaScript is busy. ---- */

static void close_slot(struct slot *slot) {
  close(slot->fd);
  slot->state = FREE;
}

static void *janitor(void *argument) {
  struct environment *environment = argument;
  struct pollfd wake = {environment->wake, POLLIN, 0};
  enum janitor next = WATCHING;
  while (next != LEAVING) {
    uint64_t woken;
    poll(&wake, 1, next == RESTING ? -1 : JANITOR_MS);
    read(environment->wake, &woken, sizeof woken);
    pthread_mutex_lock(&environment->lock);
    next = RESTING;
    for (struct slot *slot = environment->slots; slot < environment->slots + SLOTS; slot++) {
      /* A dump's visitor may take its time, or never come back. is_in_dump is the reader's while the slot is BUSY. */
      if (slot->state == IDLE && now_ms() - slot->used_at > (slot->is_in_dump ? DUMP_MS : IDLE_MS)) close_slot(slot);
      if (slot->state != FREE) next = WATCHING;
    }
    if (environment->janitor == LEAVING) next = LEAVING;
    environment->janitor = next;
    pthread_mutex_unlock(&environment->lock);
  }
  return NULL;
}

static void ring(int eventfd, uint64_t times) {
  if (times > 0) write(eventfd, &times, sizeof times);
}

/* Under the lock. */
static void wake_janitor(struct environment *environment, enum janitor reason) {
  environment->janitor = reason;
  ring(environment->wake, 1);
}

/*
 * Under the lock. It is started once, since making a thread is work for JavaScript's. And at home only: in a foreign
 * namespace the thread would stay there, and pin it.
 */
static int64_t ensure_janitor(struct environment *environment) {
  if (environment->janitor == RESTING) wake_janitor(environment, WATCHING);
  if (environment->janitor != NONE) return 0;
  environment->janitor = WATCHING;
  int64_t error = start_thread(&environment->janitor_thread, janitor, environment);
  if (error) environment->janitor = NONE;
  return error;
}

/*
 * Under the lock. A free one, else the longest idle: to its owner that looks like the janitor. Where all are in the middle
 * of dumps it is the one that was used last, which has waited least for its next turn.
 */
static struct slot *vacant_slot(struct environment *environment) {
  struct slot *idle = NULL, *in_dump = NULL;
  for (struct slot *slot = environment->slots; slot < environment->slots + SLOTS; slot++) {
    if (slot->state == FREE) return slot;
    if (slot->state != IDLE) continue;
    if (!slot->is_in_dump && (!idle || slot->used_at < idle->used_at)) idle = slot;
    if (slot->is_in_dump && (!in_dump || slot->used_at >= in_dump->used_at)) in_dump = slot;
  }
  if (!idle) idle = in_dump;
  if (idle) close_slot(idle);
  return idle;
}

/* Under the lock. */
static struct slot *find_slot(struct environment *environment, int64_t handle) {
  struct slot *slot = &environment->slots[(uint64_t)handle % SLOTS];
  return slot->handle == handle && (slot->state == IDLE || slot->state == BUSY) ? slot : NULL;
}

static int64_t make_socket(struct job *job) {
  static const int options[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}, on = 1;
  static const struct sockaddr_nl kernel = {AF_NETLINK, 0, 0, 0};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, job->number);
  if (fd < 0) return failure();
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) /* older kernels lack some */
    setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof on);
  /* Binds it too. Whoever else sends to what is connected to the kernel is refused (netlink_getsockbyportid()). */
  if (connect(fd, &kernel, sizeof kernel) == 0) return fd;
  int64_t error = failure();
  close(fd);
  return error;
}

static int64_t open_socket(struct job *job) {
  struct environment *environment = job->environment;
  int64_t fd = in_netns(job);
  if (fd < 0) return fd;
  pthread_mutex_lock(&environment->lock);
  struct slot *slot = vacant_slot(environment);
  int64_t result = slot ? ensure_janitor(environment) : -EMFILE;
  if (result == 0) {
    result = ++environment->generation * SLOTS + (slot - environment->slots);
    *slot = (struct slot){.state = IDLE, .fd = (int)fd, .handle = result, .used_at = now_ms()};
  }
  pthread_mutex_unlock(&environment->lock);
  if (result < 0) close((int)fd);
  return result;
}

static int64_t close_socket(struct job *job) {
  struct reader *reader = &job->environment->reader;
  pthread_mutex_lock(&job->environment->lock);
  struct slot *slot = find_slot(job->environment, job->handle);
  if (slot && slot->state == IDLE) close_slot(slot);
  else if (slot) slot->state = DOOMED;
  if (reader->handle == job->handle) {
    reader->handle = 0;
    ring(reader->wake, 1);
  }
  pthread_mutex_unlock(&job->environment->lock);
  return slot ? 0 : -EBADF;
}

/* One datagram's real length, which may exceed the room. */
static int64_t receive(int fd, uint8_t *at, size_t room, int64_t deadline) {
  for (;;) {
    long length = recv(fd, at, room, MSG_TRUNC | MSG_DONTWAIT);
    if (length >= 0) return length;
    if (failure() == -EINTR) continue;
    if (failure() != -EAGAIN) return failure();
    int64_t left = deadline - now_ms();
    if (left <= 0) return -ETIMEDOUT;
    struct pollfd readable = {fd, POLLIN, 0};
    poll(&readable, 1, left > INT32_MAX ? -1 : (int)left);
  }
}

/* The message at `at`, which moves on behind it; 0: there is none, or not the whole of it. */
static int next_message(const uint8_t *datagram, size_t length, size_t *at, struct nlmsghdr *message) {
  if (*at >= length || length - *at < sizeof *message) return 0;
  memcpy(message, datagram + *at, sizeof *message);
  if (message->len < sizeof *message || message->len > length - *at) return 0;
  *at += (message->len + 3) & ~(size_t)3;
  return 1;
}

/* Whether the rest of a dump follows: its messages are marked so, and the last one is DONE. */
static int goes_on(const uint8_t *datagram, size_t length) {
  size_t at = 0;
  struct nlmsghdr message;
  while (next_message(datagram, length, &at, &message))
    if (!(message.flags & NLM_F_MULTI) || message.type == NLMSG_DONE) return 0;
  return length > 0 && at >= length;
}

/* The same by what was asked: generic netlink does not mark all that belongs to a dump. */
static int begins_dump(const uint8_t *request, size_t length) {
  size_t at = 0;
  struct nlmsghdr message;
  return next_message(request, length, &at, &message) && (message.flags & NLM_F_DUMP) == NLM_F_DUMP;
}

static int ends_dump(const uint8_t *datagram, size_t length) {
  size_t at = 0;
  struct nlmsghdr message;
  while (next_message(datagram, length, &at, &message))
    if (message.type == NLMSG_DONE || message.type == NLMSG_ERROR) return 1;
  return 0;
}

/* most: how many datagrams. */
static int64_t exchange_on(struct slot *slot, struct job *job, size_t most) {
  int64_t deadline = job->number < 0 ? INT64_MAX : now_ms() + job->number;
  int64_t error = slot->error;
  slot->error = 0;
  if (error) return error;
  while (job->request.at && send(slot->fd, job->request.at, job->request.length, 0) < 0)
    if (failure() != -EINTR) return failure();
  if (job->request.at) slot->is_in_dump = begins_dump(job->request.at, job->request.length);

  size_t at = 0, words = 0;
  do {
    int64_t length = receive(slot->fd, job->bytes.at + at, job->bytes.length - at, deadline);
    if (length < 0) {
      if (words == 0) return length;
      /* The kernel tells of an error once. It must not take the datagrams before it away. */
      if (length != -ETIMEDOUT) slot->error = length;
      break;
    }
    job->words.at[words++] = (uint32_t)at;
    job->words.at[words++] = (uint32_t)length;
    if ((size_t)length > job->bytes.length - at) break;
    slot->is_in_dump = slot->is_in_dump && !ends_dump(job->bytes.at + at, (size_t)length);
    if (!goes_on(job->bytes.at + at, (size_t)length)) break;
    at += ((size_t)length + 3) & ~(size_t)3;
    deadline = 0;
  } while (at + DUMP_ROOM <= job->bytes.length && words + 2 <= job->words.length && words / 2 < most);
  return (int64_t)(words / 2);
}

static int64_t occupy(struct environment *environment, int64_t handle, struct slot **slot) {
  pthread_mutex_lock(&environment->lock);
  *slot = find_slot(environment, handle);
  int64_t result = !*slot ? -EBADF : (*slot)->state == BUSY ? -EBUSY : 0;
  if (result == 0) (*slot)->state = BUSY;
  pthread_mutex_unlock(&environment->lock);
  return result;
}

/* Under the lock. */
static void vacate_slot(struct slot *slot) {
  slot->used_at = now_ms();
  if (slot->state == DOOMED) close_slot(slot);
  else slot->state = IDLE;
}

static void vacate(struct environment *environment, struct slot *slot) {
  pthread_mutex_lock(&environment->lock);
  vacate_slot(slot);
  pthread_mutex_unlock(&environment->lock);
}

/* ---- Reading ahead: while JavaScript decodes one part of a dump, the kernel writes the next, on another processor ---- */

/* Whether there is more behind what this room had space for; negative: the error behind it. */
static int64_t fill(struct slot *slot, struct room *room) {
  size_t at = room->count = room->length = 0;
  while (at + DUMP_ROOM <= ROOM && room->count < ROOM_WORDS) {
    int64_t length = receive(slot->fd, room->bytes + at, ROOM - at, 0);
    if (length == -ETIMEDOUT) return 0; /* a pause: JavaScript's own limit is for that */
    if (length < 0) return length;
    if ((size_t)length > ROOM - at) return -ENOBUFS;
    room->words[room->count++] = (uint32_t)at;
    room->words[room->count++] = (uint32_t)length;
    room->length = at + (size_t)length;
    slot->is_in_dump = slot->is_in_dump && !ends_dump(room->bytes + at, (size_t)length);
    if (!goes_on(room->bytes + at, (size_t)length)) return 0;
    at = (room->length + 3) & ~(size_t)3;
  }
  return 1;
}

/* Holds the lock but while it sleeps or reads. The socket is its own from read_on() until nothing more comes. */
static void *read_ahead(void *argument) {
  struct environment *environment = argument;
  struct reader *reader = &environment->reader;
  pthread_mutex_lock(&environment->lock);
  while (!reader->leaves) {
    struct slot *slot = reader->slot;
    int is_doomed = slot && slot->state == DOOMED, is_full = reader->filled - reader->taken == ROOMS;
    if (!slot || (is_full && !is_doomed)) {
      uint64_t woken;
      pthread_mutex_unlock(&environment->lock);
      read(reader->wake, &woken, sizeof woken);
      pthread_mutex_lock(&environment->lock);
      continue;
    }
    int64_t more = 0;
    if (!is_doomed) {
      struct room *room = &reader->rooms[reader->filled % ROOMS];
      pthread_mutex_unlock(&environment->lock);
      more = fill(slot, room);
      pthread_mutex_lock(&environment->lock);
      if (room->count > 0) reader->filled++;
      if (more == -ENOBUFS) reader->is_unfit = 1;
    }
    if (more <= 0) {
      slot->error = more;
      vacate_slot(slot);
      reader->slot = NULL;
    }
    ring(reader->news, reader->waiting);
    reader->waiting = 0;
  }
  pthread_mutex_unlock(&environment->lock);
  return NULL;
}

/* Under the lock. */
static int ensure_reader(struct environment *environment) {
  struct reader *reader = &environment->reader;
  if (reader->rooms) return 1;
  struct room *rooms = malloc(ROOMS * sizeof *rooms);
  int wake = eventfd(0, EFD_CLOEXEC), news = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  reader->wake = wake;
  reader->news = news;
  reader->rooms = rooms;
  if (rooms && wake >= 0 && news >= 0 && start_thread(&reader->thread, read_ahead, environment) == 0) return 1;
  if (wake >= 0) close(wake);
  if (news >= 0) close(news);
  free(rooms);
  reader->rooms = NULL;
  return 0;
}

/* Under the lock. What nobody wants any more may be written over. */
static int is_free(const struct reader *reader) {
  return !reader->slot && (reader->handle == 0 || reader->filled == reader->taken) && !reader->is_unfit;
}

/* Hands the socket of a dump over to the reader; 0: that has other things to do. */
static int read_on(struct environment *environment, struct slot *slot) {
  struct reader *reader = &environment->reader;
  pthread_mutex_lock(&environment->lock);
  int takes = slot->state == BUSY && is_free(reader) && ensure_reader(environment);
  if (takes) {
    reader->handle = slot->handle;
    reader->slot = slot;
    reader->filled = reader->taken = 0;
    ring(reader->wake, 1);
  }
  pthread_mutex_unlock(&environment->lock);
  return takes;
}

/* The next room of this socket's dump; 0: the reader has none, nor will it have. */
static int64_t take_room(struct job *job) {
  struct environment *environment = job->environment;
  struct reader *reader = &environment->reader;
  struct room *room = NULL;
  pthread_mutex_lock(&environment->lock);
  while (reader->handle == job->handle && reader->slot && reader->filled == reader->taken) {
    uint64_t news;
    reader->waiting++;
    pthread_mutex_unlock(&environment->lock);
    read(reader->news, &news, sizeof news);
    pthread_mutex_lock(&environment->lock);
  }
  if (reader->handle == job->handle && reader->filled != reader->taken)
    room = &reader->rooms[reader->taken % ROOMS];
  pthread_mutex_unlock(&environment->lock);
  if (!room) return 0;
  if (room->length > job->bytes.length || room->count > job->words.length) return -EINVAL;
  memcpy(job->bytes.at, room->bytes, room->length);
  memcpy(job->words.at, room->words, room->count * sizeof *room->words);
  int64_t datagrams = (int64_t)(room->count / 2);
  pthread_mutex_lock(&environment->lock);
  if (reader->handle == job->handle) { /* else it was given up meanwhile, and the rooms may be another dump's by now */
    int was_full = reader->filled - reader->taken == ROOMS;
    reader->taken++;
    ring(reader->wake, was_full);
  }
  pthread_mutex_unlock(&environment->lock);
  return datagrams;
}

/* So many datagrams before the reader is asked: most answers are shorter. */
enum { BEFORE_READER = 2 };

/* Whether what has been received is the beginning of a long dump. */
static int is_beginning(const struct job *job, int64_t datagrams) {
  if (datagrams != BEFORE_READER) return 0;
  const uint32_t *last = job->words.at + 2 * (BEFORE_READER - 1);
  return last[0] + last[1] <= job->bytes.length && goes_on(job->bytes.at + last[0], last[1]);
}

static int64_t exchange(struct job *job) {
  struct environment *environment = job->environment;
  struct slot *slot;
  int64_t result = job->request.at ? 0 : take_room(job);
  if (result != 0) return result;
  result = occupy(environment, job->handle, &slot);
  if (result < 0) return result;
  pthread_mutex_lock(&environment->lock);
  int fits = job->bytes.length >= ROOM && job->words.length >= ROOM_WORDS && is_free(&environment->reader);
  pthread_mutex_unlock(&environment->lock);
  result = exchange_on(slot, job, fits ? BEFORE_READER : SIZE_MAX);
  if (!fits || !is_beginning(job, result) || !read_on(environment, slot)) vacate(environment, slot);
  return result;
}

/*
 * How many answers end in a datagram: a dump's by DONE, any other by its one message. Generic netlink does not mark all
 * that belongs to a dump, so an answer is counted once in a datagram.
 */
static uint32_t ends_in(const uint8_t *datagram, size_t length) {
  uint32_t ends = 0, counted = 0;
  size_t at = 0;
  struct nlmsghdr message;
  while (next_message(datagram, length, &at, &message)) {
    if (((message.flags & NLM_F_MULTI) && message.type != NLMSG_DONE) || message.seq == counted) continue;
    counted = message.seq;
    ends++;
  }
  return ends;
}

static int64_t two_words(const uint32_t *low_first) { return (int64_t)((uint64_t)low_first[1] << 32 | low_first[0]); }

/*
 * Whether the descriptor by which this socket's namespace is known stands for another one. The socket is in the right one
 * all the same: this is for noticing that the caller let go of it, so it is enough to look now and then.
 */
static int is_astray(struct environment *environment, const uint32_t *to) {
  if ((int)to[4] == -1) return 0;
  int64_t now = now_ms();
  pthread_mutex_lock(&environment->lock);
  struct slot *slot = find_slot(environment, two_words(to));
  int is_due = !slot || now - slot->looked_at >= LOOK_MS;
  pthread_mutex_unlock(&environment->lock);
  if (!is_due) return 0;
  if (inode_of((int)to[4], "") != two_words(to + 5)) return 1;
  pthread_mutex_lock(&environment->lock);
  slot = find_slot(environment, two_words(to));
  if (slot) slot->looked_at = now;
  pthread_mutex_unlock(&environment->lock);
  return 0;
}

/*
 * The kernel takes several requests out of one datagram (netlink_rcv_skb()), and has answered when send() returns: there
 * is nothing to wait for. What did not come through is JavaScript's to notice, and to ask again.
 */
static int64_t exchange_together(struct job *job) {
  size_t sent = 0, at = 0, words = 0;
  if (job->number < 0 || (size_t)job->number > job->sends.length / SEND_WORDS) return -EINVAL;
  const uint32_t *end = job->sends.at + SEND_WORDS * job->number;
  for (const uint32_t *to = job->sends.at; to < end; to += SEND_WORDS)
    if (is_astray(job->environment, to)) return -ESTALE;
  for (const uint32_t *to = job->sends.at; to < end; to += SEND_WORDS) {
    struct slot *slot;
    size_t length = to[2];
    uint32_t answers = to[3];
    if (length > job->request.length - sent) return -EINVAL;
    const uint8_t *requests = job->request.at + sent;
    sent += length;
    if (occupy(job->environment, two_words(to), &slot) < 0) continue;
    if (slot->error || send(slot->fd, requests, length, 0) < 0) answers = 0;
    while (answers > 0 && at + DUMP_ROOM <= job->bytes.length && words + 2 <= job->words.length) {
      int64_t got = receive(slot->fd, job->bytes.at + at, job->bytes.length - at, 0);
      if (got < 0) break;
      job->words.at[words++] = (uint32_t)at;
      job->words.at[words++] = (uint32_t)got;
      if ((size_t)got > job->bytes.length - at) break;
      uint32_t ends = ends_in(job->bytes.at + at, (size_t)got);
      answers -= ends < answers ? ends : answers;
      at += ((size_t)got + 3) & ~(size_t)3;
    }
    vacate(job->environment, slot);
  }
  return (int64_t)(words / 2);
}

/* ---- Subscriptions ---- */

/* Connected, and so bound, before it joins: what is not bound joins without an error, and hears nothing. */
static int64_t make_listener(struct job *job) {
  static const int on = 1;
  int64_t fd = make_socket(job);
  if (fd < 0) return fd;
  if (setsockopt((int)fd, SOL_SOCKET, SO_RCVBUFFORCE, &job->count, sizeof job->count) != 0)
    setsockopt((int)fd, SOL_SOCKET, SO_RCVBUF, &job->count, sizeof job->count);
  int failed = job->is_for_all > 0 && setsockopt((int)fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) != 0;
  for (size_t i = 0; i < job->sends.length && !failed; i++)
    failed = setsockopt((int)fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &job->sends.at[i], sizeof job->sends.at[i]) != 0;
  if (!failed) return fd;
  int64_t error = failure();
  close((int)fd);
  return error;
}

static void tell(struct subscription *subscription) {
  if (subscription->is_told) return;
  subscription->is_told = 1;
  napi_call_threadsafe_function(subscription->news, NULL, napi_tsfn_nonblocking);
}

/* Under the lock, as all that touches the parts. */
static void add_record(struct subscription *subscription, struct record record) {
  struct part *part = &subscription->parts[subscription->filling % PARTS];
  uint8_t *end = part->bytes + part->length;
  memcpy(end, &record, sizeof record);
  memcpy(end + sizeof record, subscription->heard, record.length);
  part->length += sizeof record + ((record.length + 3) & ~(uint32_t)3);
  tell(subscription);
}

/* Whether there is room for a datagram and a loss: in the next part, where this one has none. */
static int has_room(struct subscription *subscription) {
  if (subscription->parts[subscription->filling % PARTS].length + EVENT_ROOM + 2 * sizeof(struct record) <= PART) return 1;
  if (subscription->filling - subscription->taken == PARTS - 1) return 0;
  subscription->parts[++subscription->filling % PARTS].length = 0;
  return 1;
}

/* Takes one datagram. Without the lock: while the kernel works JavaScript may fetch what came before. */
static int64_t hear(struct subscription *subscription, struct record *record) {
  struct sockaddr_nl from = {0};
  struct { struct cmsghdr header; int nsid; } control;
  struct iovec part = {subscription->heard, sizeof subscription->heard};
  struct msghdr message = {&from, sizeof from, &part, 1, &control, sizeof control, 0};
  long length = recvmsg(subscription->fd, &message, MSG_TRUNC | MSG_DONTWAIT);
  if (length < 0) return failure();
  if (length > EVENT_ROOM) return -ENOBUFS;
  int is_foreign = message.control_size >= sizeof control.header + sizeof control.nsid &&
                   control.header.level == SOL_NETLINK && control.header.type == NETLINK_LISTEN_ALL_NSID;
  *record = (struct record){(uint32_t)length, from.pid, is_foreign ? control.nsid : -1};
  return 0;
}

/*
 * Takes all that is there, and returns how many descriptors to wait for: while the queue is full not the socket, so that
 * the kernel's own queue fills; none at the end. Any error is a loss; there the kernel keeps silent about further ones
 * until its queue has been empty (netlink_rcv_wake()). So that is emptied first, of what does not fit too.
 */
static unsigned long drain(struct subscription *subscription) {
  int64_t error = 0;
  struct record record;
  pthread_mutex_lock(&subscription->lock);
  while (!subscription->leaves && error != -EAGAIN) {
    subscription->is_full = !has_room(subscription);
    if (subscription->is_full && !subscription->has_lost) break;
    int keeps = !subscription->is_full;
    pthread_mutex_unlock(&subscription->lock);
    error = hear(subscription, &record);
    pthread_mutex_lock(&subscription->lock);
    if (error == 0 && keeps) add_record(subscription, record);
    if (error && error != -EAGAIN && error != -EINTR) subscription->has_lost = 1;
  }
  if (error == -EAGAIN && subscription->has_lost) {
    add_record(subscription, (struct record){0, 0, -1});
    subscription->has_lost = 0;
  }
  unsigned long count = subscription->leaves ? 0 : subscription->is_full && error != -EAGAIN ? 1 : 2;
  pthread_mutex_unlock(&subscription->lock);
  return count;
}

/*
 * A burst is heard in pieces, as NICs moderate interrupts: else whoever makes it wakes this thread, and this thread
 * JavaScript, for each message. One by itself is heard at once.
 */
static void *listen_for(void *argument) {
  static const struct timespec moment = {0, 200 * 1000};
  struct subscription *subscription = argument;
  struct pollfd ready[] = {{subscription->wake, POLLIN, 0}, {subscription->fd, POLLIN, 0}};
  unsigned long count = 2;
  while (count > 0) {
    uint64_t woken;
    poll(ready, count, -1);
    if (ready[0].revents) read(subscription->wake, &woken, sizeof woken);
    count = drain(subscription);
    if (count == 2) ppoll(ready, 1, &moment, NULL);
  }
  return NULL;
}

/* A hook as well: added after Node's own for the thread-safe function it comes before that, which would wait for ever. */
static void end_subscription(void *data) {
  struct subscription *subscription = data;
  pthread_mutex_lock(&subscription->lock);
  subscription->leaves = 1;
  ring(subscription->wake, 1);
  pthread_mutex_unlock(&subscription->lock);
  pthread_join(subscription->thread, NULL);
  napi_release_threadsafe_function(subscription->news, napi_tsfn_abort);
  close(subscription->fd);
  close(subscription->wake);
  free(subscription->parts);
  free(subscription);
}

/* Fills it in; the thread runs then. */
static int64_t begin_subscription(struct subscription *subscription, struct job *job) {
  napi_value name;
  int64_t fd = subscription->fd = (int)in_netns(job);
  if (fd < 0) return fd;
  subscription->parts = malloc(PARTS * sizeof *subscription->parts); /* its pages are taken as they are filled */
  if (!subscription->parts) return -ENOMEM;
  subscription->parts[0].length = 0;
  subscription->wake = eventfd(0, EFD_CLOEXEC);
  if (subscription->wake < 0) return failure();
  napi_create_string_utf8(job->env, "veth-nl", 7, &name);
  if (napi_create_threadsafe_function(job->env, job->callback, NULL, name, 0, 1, NULL, NULL, NULL, NULL,
                                      &subscription->news) != napi_ok)
    return -ENOMEM;
  napi_unref_threadsafe_function(job->env, subscription->news);
  int64_t error = start_thread(&subscription->thread, listen_for, subscription);
  if (error) napi_release_threadsafe_function(subscription->news, napi_tsfn_abort);
  return error;
}

static int64_t subscribe(struct job *job) {
  struct environment *environment = job->environment;
  struct subscription *subscription = calloc(1, sizeof *subscription);
  if (!subscription) return -ENOMEM;
  subscription->fd = subscription->wake = -1;
  int64_t error = begin_subscription(subscription, job);
  if (error) {
    if (subscription->wake >= 0) close(subscription->wake);
    if (subscription->fd >= 0) close(subscription->fd);
    free(subscription->parts);
    free(subscription);
    return error;
  }
  napi_add_env_cleanup_hook(job->env, end_subscription, subscription);
  subscription->next = environment->subscriptions;
  subscription->handle = ++environment->last_subscription;
  environment->subscriptions = subscription;
  return subscription->handle;
}

static struct subscription **find_subscription(struct job *job) {
  struct subscription **at = &job->environment->subscriptions;
  while (*at && (*at)->handle != job->handle) at = &(*at)->next;
  return at;
}

static int64_t fetch(struct job *job) {
  struct subscription *subscription = *find_subscription(job);
  if (!subscription) return -EBADF;
  if (job->bytes.length < PART) return -EINVAL;
  pthread_mutex_lock(&subscription->lock);
  struct part *part = &subscription->parts[subscription->taken % PARTS];
  int64_t length = (int64_t)part->length;
  memcpy(job->bytes.at, part->bytes, part->length);
  part->length = 0;
  if (subscription->taken != subscription->filling) subscription->taken++;
  subscription->is_told = 0;
  if (subscription->parts[subscription->taken % PARTS].length > 0) tell(subscription);
  if (subscription->is_full) ring(subscription->wake, 1);
  pthread_mutex_unlock(&subscription->lock);
  return length;
}

static int64_t keep_alive(struct job *job) {
  struct subscription *subscription = *find_subscription(job);
  if (!subscription) return -EBADF;
  if (job->number > 0) napi_ref_threadsafe_function(job->env, subscription->news);
  else napi_unref_threadsafe_function(job->env, subscription->news);
  return 0;
}

static int64_t unsubscribe(struct job *job) {
  struct subscription **at = find_subscription(job), *subscription = *at;
  if (!subscription) return -EBADF;
  *at = subscription->next;
  napi_remove_env_cleanup_hook(job->env, end_subscription, subscription);
  end_subscription(subscription);
  return 0;
}

/* ---- bpf(2), on a copy of the attributes: no address is ever where JavaScript could read it ---- */

/*
 * An array that lies in the attributes' own is a struct behind them which has addresses too: the kernel gets the copy's,
 * and the attributes end where it begins. Returns their size.
 */
static size_t set_pointers(uint8_t *attr, const struct job *job, int real) {
  size_t size = job->bytes.length;
  for (size_t i = 0; i < job->pointer_count; i++) {
    uintptr_t to = (uintptr_t)job->pointers[i].to, behind = to - (uintptr_t)job->bytes.at;
    if (behind < job->bytes.length) to = (uintptr_t)attr + behind;
    if (behind < size) size = behind;
    uint64_t address = real ? to : 0;
    memcpy(attr + job->pointers[i].offset, &address, sizeof address);
  }
  return size;
}

/*
 * BPF_MAP_CREATE, PROG_LOAD, OBJ_GET, PROG_GET_FD_BY_ID, RAW_TRACEPOINT_OPEN, BTF_GET_FD_BY_ID return a descriptor. So does
 * LINK_CREATE, but a program attached to a device has the lifetime that was asked for: the process's, not a thread's.
 */
#define HELD_COMMANDS (1u << 0 | 1u << 5 | 1u << 7 | 1u << 13 | 1u << 17 | 1u << 19)

static int64_t call_bpf(struct job *job) {
  uint8_t attr[ATTR_ROOM] __attribute__((aligned(8)));
  if (job->bytes.length > sizeof attr) return -E2BIG;
  memcpy(attr, job->bytes.at, job->bytes.length);
  size_t size = set_pointers(attr, job, 1);
  long result = syscall(SYS_bpf, (long)job->number, attr, size);
  int64_t error = failure();
  set_pointers(attr, job, 0);
  memcpy(job->bytes.at, attr, job->bytes.length);
  if (job->number < 32 && HELD_COMMANDS >> job->number & 1) hold(job->environment, result, 1);
  return result >= 0 ? result : error;
}

/* One event, on whichever CPU: the tracepoint then runs the program on each. */
static int64_t open_tracepoint(struct job *job) {
  const struct perf_event_attr attr = {PERF_TYPE_TRACEPOINT, PERF_ATTR_SIZE_VER0, (uint64_t)job->number, {0}};
  long fd = syscall(SYS_perf_event_open, &attr, -1L, 0L, -1L, (long)PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) return failure();
  if (ioctl((int)fd, PERF_EVENT_IOC_SET_BPF, job->netns) == 0) {
    hold(job->environment, fd, 1);
    return fd;
  }
  int64_t error = failure();
  close((int)fd);
  return error;
}

/* ---- Frames ---- */

/* A full device or socket gets some milliseconds to take the next one. */
static int64_t send_frames(struct job *job) {
  struct sockaddr_ll to = {.family = AF_PACKET, .ifindex = job->number};
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: it receives nothing */
  if (fd < 0) return failure();
  int64_t sent = 0, error = 0;
  for (int tries = 0; sent < job->count && !error;) {
    if (sendto(fd, job->bytes.at, job->bytes.length, MSG_DONTWAIT, &to, sizeof to) >= 0) {
      sent++;
      tries = 0;
      continue;
    }
    error = failure();
    if ((error == -ENOBUFS || error == -EAGAIN) && ++tries < FRAME_TRIES) {
      error = 0;
      poll(NULL, 0, 1);
    }
  }
  close(fd);
  return sent > 0 ? sent : error;
}

/* ---- Calls from JavaScript ---- */

static const struct kind kinds[] = {
    {"createNetns", "s", on_new_thread, create_netns},
    {"unmount", "s", here, unmount},
    {"inode", "ns", here, inode},
    {"close", "n", here, close_descriptor},
    {"openSocket", "ni", open_socket, make_socket},
    {"exchange", "hrbwi", here, exchange},
    {"exchangeTogether", "girbw", here, exchange_together},
    {"closeSocket", "h", here, close_socket},
    {"subscribe", "nigcaf.", subscribe, make_listener},
    {"fetch", "hb.", here, fetch},
    {"keepAlive", "hi.", here, keep_alive},
    {"unsubscribe", "h.", here, unsubscribe},
    {"bpf", "nibp", in_netns, call_bpf},
    {"openTracepoint", "ni", here, open_tracepoint},
    {"sendFrames", "nibc", in_netns, send_frames},
};

static int parse_path(napi_env env, napi_value value, struct job *job) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, job->path, sizeof job->path, &length) != napi_ok) return 0;
  return length < sizeof job->path - 1 && strlen(job->path) == length; /* not cut short, and no NUL inside */
}

static int parse_int(napi_env env, napi_value value, int *number) {
  int64_t wide;
  if (napi_get_value_int64(env, value, &wide) != napi_ok || wide < -1 || wide > INT32_MAX) return 0;
  *number = (int)wide;
  return 1;
}

static int parse_array(napi_env env, napi_value value, int wanted, void *at, size_t *length) {
  int type;
  return napi_get_typedarray_info(env, value, &type, length, at, NULL, NULL) == napi_ok && type == wanted;
}

static int parse_pointers(napi_env env, napi_value value, struct job *job) {
  uint32_t length, i = 0;
  if (napi_get_array_length(env, value, &length) != napi_ok || length % 2 || length / 2 > POINTERS) return 0;
  while (i < length) {
    napi_value element;
    int offset;
    void *to;
    size_t size;
    if (napi_get_element(env, value, i++, &element) != napi_ok || !parse_int(env, element, &offset)) return 0;
    if (offset < 0 || (size_t)offset + sizeof(uint64_t) > job->bytes.length) return 0;
    if (napi_get_element(env, value, i++, &element) != napi_ok) return 0;
    if (!parse_array(env, element, napi_uint8_array, &to, &size)) return 0;
    job->pointers[job->pointer_count].offset = (size_t)offset;
    job->pointers[job->pointer_count++].to = to;
  }
  return 1;
}

static int parse(napi_env env, char letter, napi_value value, struct job *job) {
  int type;
  switch (letter) {
    case 's': return parse_path(env, value, job);
    case 'n': return parse_int(env, value, &job->netns);
    case 'i': return parse_int(env, value, &job->number);
    case 'c': return parse_int(env, value, &job->count) && job->count > 0;
    case 'a': return parse_int(env, value, &job->is_for_all);
    case 'f': job->callback = value; return napi_typeof(env, value, &type) == napi_ok && type == napi_function;
    case '.': return napi_typeof(env, value, &type) == napi_ok && type == napi_undefined; /* nothing for the pool */
    case 'h': return napi_get_value_int64(env, value, &job->handle) == napi_ok;
    case 'r':
      if (napi_typeof(env, value, &type) == napi_ok && type == napi_null) return 1;
      return parse_array(env, value, napi_uint8_array, &job->request.at, &job->request.length);
    case 'b': return parse_array(env, value, napi_uint8_array, &job->bytes.at, &job->bytes.length);
    case 'g': return parse_array(env, value, napi_uint32_array, &job->sends.at, &job->sends.length);
    case 'w':
      if (!parse_array(env, value, napi_uint32_array, &job->words.at, &job->words.length)) return 0;
      return job->words.length >= 2;
    default: return parse_pointers(env, value, job);
  }
}

/* Where Node lets pool work finish before it drops the environment, others need not: the last one out tidies up. */
static void leave(struct environment *environment) {
  if (--environment->holders > 0) return;
  if (environment->janitor != NONE) {
    pthread_mutex_lock(&environment->lock);
    wake_janitor(environment, LEAVING);
    pthread_mutex_unlock(&environment->lock);
    pthread_join(environment->janitor_thread, NULL);
  }
  struct reader *reader = &environment->reader;
  if (reader->rooms) {
    pthread_mutex_lock(&environment->lock);
    reader->leaves = 1;
    ring(reader->wake, 1);
    pthread_mutex_unlock(&environment->lock);
    pthread_join(reader->thread, NULL);
    close(reader->wake);
    close(reader->news);
    free(reader->rooms);
  }
  for (struct slot *slot = environment->slots; slot < environment->slots + SLOTS; slot++)
    if (slot->state != FREE) close_slot(slot);
  close_held(environment);
  close(environment->wake);
  free(environment);
}

static void run_on_pool(napi_env env, void *data) {
  (void)env;
  struct job *job = data;
  job->result = job->kind->run(job);
}

static void discard(napi_env env, struct job *job) {
  napi_delete_async_work(env, job->work);
  napi_delete_reference(env, job->kept);
  free(job);
}

static void finish(napi_env env, int status, void *data) {
  struct job *job = data;
  napi_value kept, callback, undefined, result;
  int callable = napi_get_reference_value(env, job->kept, &kept) == napi_ok &&
                 napi_get_element(env, kept, 0, &callback) == napi_ok &&
                 napi_get_undefined(env, &undefined) == napi_ok &&
                 napi_create_int64(env, status == napi_ok ? job->result : -ECANCELED, &result) == napi_ok;
  leave(job->environment);
  discard(env, job);
  if (callable) napi_call_function(env, undefined, callback, 1, &result, NULL); /* last: what it throws is Node's */
}

static int64_t queue(napi_env env, const struct job *parsed, const napi_value *arguments, size_t count) {
  struct job *job = malloc(sizeof *job);
  napi_value kept, name, element;
  uint32_t length = 0;
  if (!job) return -ENOMEM;
  *job = *parsed;
  napi_create_array(env, &kept);
  while (count-- > 0) napi_set_element(env, kept, length++, arguments[count]);
  for (uint32_t i = 0; i < job->pointer_count; i++) { /* the array that holds them may be changed meanwhile */
    napi_get_element(env, arguments[3], 2 * i + 1, &element);
    napi_set_element(env, kept, length++, element);
  }
  napi_create_string_utf8(env, "veth-nl", 7, &name);
  if (napi_create_reference(env, kept, 1, &job->kept) == napi_ok &&
      napi_create_async_work(env, NULL, name, run_on_pool, finish, job, &job->work) == napi_ok &&
      napi_queue_async_work(env, job->work) == napi_ok) {
    job->environment->holders++;
    return 0;
  }
  discard(env, job);
  return -EAGAIN;
}

static napi_value call(napi_env env, napi_callback_info info) {
  napi_value arguments[ARGUMENTS], answer = NULL;
  size_t given = ARGUMENTS, i = 0;
  struct job job;
  int type = napi_null;
  int64_t result = -EINVAL;
  memset(&job, 0, offsetof(struct job, path));
  job.netns = -1;
  job.env = env;
  napi_get_instance_data(env, &job.environment);
  napi_get_cb_info(env, info, &given, arguments, NULL, &job.kind); /* fills up with undefined */
  while (job.kind->arguments[i] && parse(env, job.kind->arguments[i], arguments[i], &job)) i++;
  if (!job.kind->arguments[i]) napi_typeof(env, arguments[i], &type);
  if (type == napi_undefined) result = job.kind->run(&job);
  if (type == napi_function) result = queue(env, &job, arguments, i + 1);
  napi_create_int64(env, result, &answer);
  return answer;
}

static void environment_goes(void *data) { leave(data); }

#define EXPORT __attribute__((visibility("default")))
EXPORT int32_t node_api_module_get_api_version_v1(void);
EXPORT napi_value napi_register_module_v1(napi_env, napi_value);

int32_t node_api_module_get_api_version_v1(void) { return 8; }

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  struct environment *environment = calloc(1, sizeof *environment);
  if (!environment || (environment->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
    free(environment);
    napi_throw_error(env, NULL, "veth-nl: no memory or no descriptor left for the shim");
    return NULL;
  }
  environment->holders = 1;
  napi_set_instance_data(env, environment, NULL, NULL);
  napi_add_env_cleanup_hook(env, environment_goes, environment);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    napi_value function;
    napi_create_function(env, kinds[i].name, strlen(kinds[i].name), call, &kinds[i], &function);
    napi_set_named_property(env, exports, kinds[i].name, function);
  }
  return exports;
}
