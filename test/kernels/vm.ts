import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Boot } from './initramfs.ts'
import { NIC_NAMES, type NicKind, nicWords } from './nics.ts'
import type { Qemu } from './qemu.ts'

/** What is booted. */
export interface Machine {
  /** The kernel's release, and its NICs where they are not virtio's. */
  readonly name: string
  readonly boot: Boot
  readonly nics: NicKind
  readonly qemu: Qemu
  readonly cpus: number
}

/** What a machine is to do. */
export interface Job {
  /** A script for sh, run as root; /run/job is the job's folder, writable and seen here meanwhile. */
  readonly script: string
  /** The folder to share, made here; what the script printed is in `stdout` and `stderr`. */
  readonly folder: string
  /** Seconds. */
  readonly limit: number
  /** Called now and then while it runs, and once after it ended. */
  readonly watch?: () => void
}

/** Without AVX, whose emulation costs: with all that QEMU knows ('max') the same tests took a tenth to a third longer. */
const CPU = 'Nehalem'
const MEGABYTES = 1536

/**
 * All processors of a machine in one thread of ours, in turn. With a thread for each, one can translate code anew between
 * QEMU's dropping of what another is about to write over and the write (notdirty_write(), accel/tcg/cputlb.c), and then goes
 * on with what was there before: the kernel met an int3 of text_poke_bp() that nobody knew of any more, in
 * bpf_dispatcher_xdp_func(), and panicked; QEMU 7.2 within half a minute, 10.0 within an hour. Two machines on two processors
 * are also done in two thirds of the time so.
 */
const EMULATION = 'tcg,thread=single'

/** After the initial file system's. Ends by switching the machine off, which ends QEMU. */
const INIT = `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mkdir -p /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs shm /dev/shm
ln -s /proc/self/fd /dev/fd
mkdir /run/netns
export VETH_NL_NICS='${NIC_NAMES.join(' ')}'
sh /run/job/script >/run/job/stdout 2>/run/job/stderr </dev/null
echo $? >/run/job/status
sync
echo o >/proc/sysrq-trigger
sleep 60
`

/**
 * Boots a kernel over this machine's own files, which stay as they are, runs the job and returns its exit status.
 * Software emulation only: hardware virtualisation is not everywhere, and hangs on some machines.
 */
export async function runInVm(machine: Machine, { script, folder, limit, watch }: Job): Promise<number> {
  mkdirSync(folder, { recursive: true })
  for (const name of ['stdout', 'stderr']) writeFileSync(join(folder, name), '')
  writeFileSync(join(folder, 'script'), script)
  writeFileSync(join(folder, 'init'), INIT)
  const console = join(folder, 'console')
  const qemu = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', machine.qemu.command, ...wordsFor(machine, folder, console)],
    {
      stdio: ['ignore', 'ignore', openSync(join(folder, 'qemu'), 'w')],
      env: { ...process.env, ...machine.qemu.env },
    },
  )
  const late = await ended(qemu, limit, watch)
  watch?.()
  const status = join(folder, 'status')
  const said = existsSync(status) ? readFileSync(status, 'utf8').trim() : ''
  if (said !== '') return Number(said)
  const why = late ? `not done after ${limit} s` : 'the machine ended before its script did'
  throw new Error(`${why}\n${lastLines(join(folder, 'qemu'), 10)}console:\n${lastLines(console, 40)}`)
}

function wordsFor({ boot, nics, qemu, cpus }: Machine, folder: string, console: string): string[] {
  const share = (path: string, tag: string, more: string) =>
    `local,path=${path.replaceAll(',', ',,')},mount_tag=${tag},security_model=none${more}`
  return [
    ...qemu.words,
    ...['-accel', EMULATION, '-cpu', CPU, '-smp', String(cpus), '-m', String(MEGABYTES)],
    ...['-display', 'none', '-nic', 'none', '-no-reboot', '-serial', `file:${console}`],
    ...['-virtfs', share('/', 'root', ',readonly=on,multidevs=remap'), '-virtfs', share(folder, 'job', '')],
    ...nicWords(nics),
    ...['-kernel', boot.kernel, '-initrd', boot.initramfs],
    // The kernel's check that timer interrupts come in time fails where the host is busy.
    ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off net.ifnames=0 no_timer_check'],
  ]
}

/** Waits for the machine's end, and makes it where the limit is reached. Whether it was. */
function ended(qemu: ChildProcess, limit: number, watch?: () => void): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      qemu.kill('SIGKILL')
    }, limit * 1000)
    const watching = setInterval(() => watch?.(), 200)
    const stop = (then: () => void) => {
      clearTimeout(timer)
      clearInterval(watching)
      then()
    }
    qemu.once('error', error => stop(() => reject(error)))
    qemu.once('exit', () => stop(() => resolve(late)))
  })
}

function lastLines(file: string, count: number): string {
  if (!existsSync(file)) return ''
  const lines = readFileSync(file, 'utf8').replaceAll('\r', '').trimEnd().split('\n')
  return `${lines.slice(-count).join('\n')}\n`
}

/** Reads what a growing file, which may not be there yet, has got since the last call. */
export function follow(file: string): () => Buffer {
  let fd = -1
  return () => {
    const pieces: Buffer[] = []
    if (fd < 0 && existsSync(file)) fd = openSync(file, 'r')
    while (fd >= 0) {
      const piece = Buffer.alloc(65536)
      const read = readSync(fd, piece)
      if (read === 0) break
      pieces.push(piece.subarray(0, read))
    }
    return Buffer.concat(pieces)
  }
}
