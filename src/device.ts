import { type ChannelCounts, type Channels, getChannels, setChannels } from './ethtool/channels.ts'
import { type FeatureChange, type Features, getFeatures, setFeature } from './ethtool/features.ts'
import { DeviceIdentity } from './identity.ts'
import { PromiseKernel } from './kernel/async-kernel.ts'
import { type Limits, run } from './kernel/kernel.ts'
import { getXdpFeatures, type XdpFeature } from './netdev/device.ts'
import { listNapi, type Napi } from './netdev/napi.ts'
import type { Link } from './rtnetlink/link.ts'
import { deleteLink, getLink, moveLink, renameLink, setLink, setMtu } from './rtnetlink/link-operations.ts'
import { byIndex, forEthtool } from './veth/by-index.ts'
import { explainRedirect } from './veth/explain.ts'
import { getVethPeer } from './veth/pair-again.ts'
import { type ProbeOptions, type ProbeResult, probeRedirect } from './veth/probe.ts'
import { type RepairOptions, type RepairResult, repairRedirect } from './veth/repair.ts'
import { type Undo, undoRepair } from './veth/undo.ts'
import type { Verdict } from './veth/verdict.ts'
import type { ExplainOptions } from './veth/way.ts'
import {
  type Attached,
  type AttachOptions,
  attachXdp,
  detachAttached,
  getXdp,
  type XdpAttachment,
  type XdpProgram,
} from './veth/xdp.ts'
import type { DeviceRef } from './wire/device-ref.ts'
import { type Netns, type NetnsRef, namedNetns } from './wire/netns.ts'
import type { Operation } from './wire/operation.ts'

let kernel: PromiseKernel | undefined

/** Asks this machine's kernel, which is opened when it is first needed. */
export function perform<T>(operation: Operation<T>, limits: Limits): Promise<T> {
  kernel ??= new PromiseKernel()
  return run(operation, kernel, limits)
}

/** A handle to a network device. It holds nothing open: each method asks anew. */
export class Device extends DeviceIdentity {
  getLink(): Promise<Link> {
    return this.#perform(getLink(this.ref))
  }

  up(): Promise<void> {
    return this.#perform(setLink(this.ref, { up: true }))
  }

  down(): Promise<void> {
    return this.#perform(setLink(this.ref, { up: false }))
  }

  /** mtu: bytes, without the link-layer header. */
  setMtu(mtu: number): Promise<void> {
    return this.#perform(setMtu(this.ref, mtu))
  }

  /** Returns a handle by the new name. @throws NetlinkError EEXIST; before Linux 6.2 EBUSY while it is up. */
  async rename(name: string): Promise<Device> {
    await this.#perform(renameLink(this.ref, name))
    return handle({ netns: this.netns, device: name }, this.limits)
  }

  /** Moves it to another namespace; returns a handle there. Its index may change, its name does not. */
  async move(to: NetnsRef | Netns): Promise<Device> {
    return handle(await this.#perform(moveLink(this.ref, namedNetns(to))), this.limits)
  }

  /** A veth takes its peer along. */
  delete(): Promise<void> {
    return this.#perform(deleteLink(this.ref))
  }

  /** The other end of a veth, in its own namespace. @throws PeerError */
  async getVethPeer(): Promise<Device> {
    return handle(await this.#perform(getVethPeer(this.ref)), this.limits)
  }

  getFeatures(): Promise<Features> {
    return this.#perform(forEthtool(this.ref, getFeatures))
  }

  /** feature: the kernel's name ('rx-gro') or ethtool's ('gro'). @throws FeatureError */
  setFeature(feature: string, on: boolean): Promise<FeatureChange> {
    return this.#perform(forEthtool(this.ref, ref => setFeature(ref, feature, on)))
  }

  getChannels(): Promise<Channels> {
    return this.#perform(forEthtool(this.ref, getChannels))
  }

  setChannels(counts: ChannelCounts): Promise<Channels> {
    return this.#perform(forEthtool(this.ref, ref => setChannels(ref, counts)))
  }

  getXdp(): Promise<XdpAttachment> {
    return this.#perform(getXdp(this.ref))
  }

  async attachXdp(program: XdpProgram, options: AttachOptions = {}): Promise<XdpHandle> {
    return new XdpHandle(await this.#perform(attachXdp(this.ref, program, options)), this.limits)
  }

  /** What the driver can do for XDP; Linux 6.3. */
  getXdpFeatures(): Promise<XdpFeature[]> {
    return this.#perform(byIndex(this.ref, getXdpFeatures))
  }

  /** One entry per NAPI instance; Linux 6.8. */
  getNapi(): Promise<Napi[]> {
    return this.#perform(byIndex(this.ref, listNapi))
  }

  explainRedirect(options: ExplainOptions = {}): Promise<Verdict> {
    return this.#perform(explainRedirect(this.ref, options))
  }

  /** @throws RepairError, with everything as it was. */
  async repairRedirect(options: RepairOptions = {}): Promise<RepairHandle> {
    const { result, undo } = await this.#perform(repairRedirect(this.ref, options))
    return new RepairHandle(result, undo, this.limits)
  }

  /** Sends frames into the device as an XDP program would, and counts what arrives. @throws PeerError, UnsupportedError */
  probeRedirect(options: ProbeOptions = {}): Promise<ProbeResult> {
    return this.#perform(probeRedirect(this.ref, options))
  }

  #perform<T>(operation: Operation<T>): Promise<T> {
    return perform(operation, this.limits)
  }
}

// Not in the class: the build would give a class that names itself another name.
function handle(ref: DeviceRef, limits: Limits): Device {
  return new Device(ref, limits)
}

/** A program that was attached. The signal of the device's options does not reach its detaching. */
export class XdpHandle {
  readonly programId: number
  readonly #attached: Attached
  readonly #limits: Limits

  constructor(attached: Attached, limits: Limits) {
    this.programId = attached.programId
    this.#attached = attached
    this.#limits = limits
  }

  /**
   * Takes it off again; a second time does nothing.
   * @throws NetlinkError EEXIST when somebody has put another program in its place, which then stays.
   */
  detach(): Promise<void> {
    return perform(detachAttached(this.#attached), { timeout: this.#limits.timeout })
  }
}

/** A repair that was made. */
export class RepairHandle implements RepairResult {
  readonly before: Verdict
  readonly after: Verdict | null
  readonly steps: RepairResult['steps']
  readonly probe: RepairResult['probe']
  readonly #undo: readonly Undo[]
  readonly #limits: Limits

  constructor({ before, after, steps, probe }: RepairResult, undo: readonly Undo[], limits: Limits) {
    this.before = before
    this.after = after
    this.steps = steps
    this.probe = probe
    this.#undo = undo
    this.#limits = limits
  }

  /** Takes the steps back. */
  undo(): Promise<void> {
    return perform(undoRepair(this.#undo), { timeout: this.#limits.timeout })
  }
}
