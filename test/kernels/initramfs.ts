import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { output } from './tools.ts'

/** What a virtual machine needs to see its disk, and the tests to find their devices; a kernel may have it built in. */
const MODULES = 'virtio_pci 9p 9pnet_virtio overlay'
  .concat(' veth pktgen virtio_net igb tun dummy bridge ifb macvlan vxlan 8021q')
  .split(' ')

/** What a kernel boots from. */
export interface Boot {
  readonly release: string
  readonly kernel: string
  readonly initramfs: string
}

/**
 * Begins in the initial file system: loads the modules, mounts the machine's root, read-only by 9p with a tmpfs over
 * it, and goes on there with the script that the share `job` holds.
 */
const INIT = `#!/bin/sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
for m in /mods/*; do $b insmod $m; done
p9=trans=virtio,version=9p2000.L,msize=262144
$b mount -t 9p -o $p9,ro,cache=loose root /ro
$b mount -t tmpfs tmpfs /rw; $b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /new
for d in proc sys dev; do $b mount --move /$d /new/$d; done
$b mount -t tmpfs tmpfs /new/run
$b mkdir /new/run/job
$b mount -t 9p -o $p9 job /new/run/job
exec $b switch_root /new /bin/sh /run/job/init
`

/** The kernel and the initial file system out of a release's packages, made once and kept. */
export function bootOf(folder: string, release: string, debs: readonly string[]): Boot {
  const recipe = createHash('sha256').update(INIT).update(MODULES.join()).digest('hex').slice(0, 12)
  const made = join(folder, 'boot', `${release}-${recipe}`)
  if (!existsSync(made)) make(folder, made, release, debs)
  return { release, kernel: join(made, 'vmlinuz'), initramfs: join(made, 'initramfs') }
}

function make(folder: string, made: string, release: string, debs: readonly string[]): void {
  const work = join(folder, `boot-${process.pid}`)
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work)
  try {
    const tree = join(work, 'tree')
    for (const deb of debs) output('dpkg-deb', ['--extract', deb, tree])
    const base = existsSync(join(tree, 'usr/lib/modules')) ? join(tree, 'usr') : tree
    output('depmod', ['--basedir', base, release])

    const root = join(work, 'root')
    for (const name of ['bin', 'proc', 'sys', 'dev', 'mods', 'ro', 'rw', 'new'])
      mkdirSync(join(root, name), { recursive: true })
    copyFileSync(output('sh', ['-c', 'command -v busybox']).trim(), join(root, 'bin/busybox'))
    symlinkSync('busybox', join(root, 'bin/sh'))
    writeFileSync(join(root, 'init'), INIT)
    chmodSync(join(root, 'init'), 0o755)
    const files = inOrder(MODULES.map(name => showDepends(base, release, name)))
    for (const [at, file] of files.entries()) {
      const name = `${String(at).padStart(3, '0')}-${basename(file).replace(/\.ko.*/, '.ko')}`
      writeFileSync(join(root, 'mods', name), unpacked(file))
    }

    const image = join(work, 'image')
    mkdirSync(image)
    const archive = output('sh', ['-c', 'find . | cpio --quiet -o -H newc > ../cpio'], root)
    if (archive !== '') throw new Error(archive)
    writeFileSync(join(image, 'initramfs'), gzipSync(readFileSync(join(work, 'cpio')), { level: 1 }))
    copyFileSync(kernelIn(tree, release), join(image, 'vmlinuz'))
    mkdirSync(join(folder, 'boot'), { recursive: true })
    rmSync(made, { recursive: true, force: true })
    renameSync(image, made)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function showDepends(base: string, release: string, name: string): string {
  return output('modprobe', ['--dirname', base, '--set-version', release, '--show-depends', name])
}

/** The files that `modprobe --show-depends` lists, each once, and after what it needs. */
export function inOrder(listings: readonly string[]): string[] {
  const files = listings.flatMap(listing => [...listing.matchAll(/^insmod (\S+)/gm)].map(([, file]) => file!))
  return [...new Set(files)]
}

function unpacked(file: string): Buffer {
  const [command, words] = file.endsWith('.xz')
    ? ['xz', ['-dc']]
    : file.endsWith('.zst')
      ? ['zstd', ['-qdc']]
      : []
  if (command === undefined) return readFileSync(file)
  return execFileSync(command, [...words!, file], { maxBuffer: 2 ** 28 })
}

function kernelIn(tree: string, release: string): string {
  const places = [`boot/vmlinuz-${release}`, `usr/lib/modules/${release}/vmlinuz`]
  const place = places.find(place => existsSync(join(tree, place)))
  if (place === undefined) throw new Error(`no kernel ${places.join(' or ')} in the packages of ${release}`)
  return join(tree, place)
}
