import { closeDescriptor, closeOnce, type Held, openPinned, withDescriptor } from '../bpf/descriptor.ts'
import { attachXdp as attachXdpLink } from '../bpf/link.ts'
import { getProgramInfo, loadProgram, openProgram, type ProgramSource } from '../bpf/program.ts'
import type { Link } from '../rtnetlink/link.ts'
import { getLink } from '../rtnetlink/link-operations.ts'
import { type AttachMode, attachXdp as attachXdpByNetlink, detachXdp } from '../rtnetlink/xdp-attach.ts'
import type { XdpMode } from '../rtnetlink/xdp-state.ts'
import { checkChoice, checkOptions, quote } from '../wire/check-options.ts'
import type { DeviceRef, IndexRef } from '../wire/device-ref.ts'
import { SystemError } from '../wire/errors.ts'
import type { Operation } from '../wire/operation.ts'

/** A program to attach: one to be loaded, or somebody's own, pinned in a BPF file system or open already. */
export type XdpProgram = ProgramSource | { readonly pinned: string } | { readonly fd: number }

/** A program on a device. */
export interface AttachedProgram {
  readonly id: number
  readonly mode: Exclude<XdpMode, 'none' | 'multi'>
  /** null where asking for it is not allowed (CAP_SYS_ADMIN). */
  readonly name: string | null
}

export interface XdpAttachment {
  /** 'multi' when programs are attached in several modes. */
  readonly mode: XdpMode
  readonly programs: readonly AttachedProgram[]
}

export interface AttachOptions {
  /** 'native' when left out. */
  readonly mode?: AttachMode
  /**
   * 'device': it stays until it is detached or the device goes away; 'process': it goes with this process, however
   * that ends (a bpf_link, Linux 5.9). 'device' when left out.
   */
  readonly lifetime?: 'device' | 'process'
  /** The id of the program whose place it takes; without it there must be none. Linux 5.7; lifetime 'device'. */
  readonly replaces?: number
}

/** An attached program, with what it takes to detach it again. */
export interface Attached {
  readonly ref: IndexRef
  readonly mode: AttachMode
  readonly programId: number
  /** The bpf_link that holds it there, or the program itself, for saying which one is to go. */
  readonly by: 'link' | 'program'
  /** The descriptor of that; it is the caller's own where `owned` is false. */
  readonly held: Held
  readonly owned: boolean
}

/** @throws NetlinkError ENODEV. */
export function* getXdp(ref: DeviceRef): Operation<XdpAttachment> {
  const { xdp } = yield* getLink(ref)
  if (xdp === null || xdp.mode === 'none') return { mode: 'none', programs: [] }
  const programs: AttachedProgram[] = []
  for (const [mode, id] of programIds(xdp)) programs.push({ id, mode, name: yield* nameOf(id) })
  return { mode: xdp.mode, programs }
}

/**
 * Attaches a program; nobody else's is replaced unless its id is given.
 * @throws ProgramError when the verifier refuses the program; NetlinkError or SystemError when the device does.
 */
export function* attachXdp(ref: DeviceRef, program: XdpProgram, options: AttachOptions): Operation<Attached> {
  checkProgram(program)
  checkOptions('attachXdp()', options, ['mode', 'lifetime', 'replaces'])
  const { mode = 'native', lifetime = 'device', replaces } = options
  checkChoice('mode', mode, ['native', 'generic'])
  checkChoice('lifetime', lifetime, ['device', 'process'])
  if (lifetime === 'process' && replaces !== undefined) {
    throw new TypeError("a program with lifetime 'process' cannot replace another")
  }
  const { index, name } = yield* getLink(ref)
  const target = { netns: ref.netns, device: index, name }
  if ('fd' in program) return yield* attach(target, program.fd, false, options)
  const fd = yield* 'pinned' in program ? openPinned(program.pinned) : loadProgram(program)
  try {
    return yield* attach(target, fd, true, options)
  } catch (error) {
    yield* closeDescriptor(fd)
    throw error
  }
}

function* attach(
  ref: IndexRef,
  fd: number,
  owned: boolean,
  { mode = 'native', lifetime, replaces }: AttachOptions,
): Operation<Attached> {
  const { id: programId } = yield* getProgramInfo(fd)
  if (lifetime === 'process') {
    const link = yield* attachXdpLink(fd, ref.device, mode, ref.netns)
    if (owned) yield* closeDescriptor(fd) // the link keeps the program
    return { ref, mode, programId, by: 'link', held: { fd: link }, owned: true }
  }
  yield* replaces === undefined
    ? attachXdpByNetlink(ref, fd, mode, 'nothing')
    : withDescriptor(openProgram(replaces), expected => attachXdpByNetlink(ref, fd, mode, { fd: expected }))
  return { ref, mode, programId, by: 'program', held: { fd }, owned }
}

/** Takes a program off again, if it is still the one that was attached; a second time does nothing. */
export function* detachAttached({ ref, mode, by, held, owned }: Attached): Operation<void> {
  const { fd } = held
  if (fd === null) return
  if (by === 'program') yield* detachXdp(ref, mode, fd)
  if (owned) yield* closeOnce(held)
  else held.fd = null
}

function checkProgram(program: XdpProgram): void {
  const given: unknown = program
  if (typeof given === 'object' && given !== null && ('fd' in given || 'pinned' in given || 'code' in given))
    return
  throw new TypeError(
    `a program is what xdpPass() and its like return, { pinned } or { fd }, not ${quote(given)}`,
  )
}

function programIds(xdp: NonNullable<Link['xdp']>): [AttachedProgram['mode'], number][] {
  const ids: [AttachedProgram['mode'], number][] = [
    ['native', xdp.nativeProgramId],
    ['generic', xdp.genericProgramId],
    ['offload', xdp.offloadProgramId],
  ]
  return ids.filter(([, id]) => id !== 0)
}

function* nameOf(id: number): Operation<string | null> {
  try {
    return yield* withDescriptor(openProgram(id), function* (fd) {
      return (yield* getProgramInfo(fd)).name
    })
  } catch (error) {
    if (error instanceof SystemError) return null
    throw error
  }
}
