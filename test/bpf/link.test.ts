import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { withDescriptor } from '../../src/bpf/descriptor.ts'
import { attachXdp } from '../../src/bpf/link.ts'
import { loadProgram } from '../../src/bpf/program.ts'
import { xdpPass } from '../../src/bpf/programs.ts'
import { Lab, noLab, real } from './lab.ts'

/** IFLA_XDP_ATTACHED as ip shows it. */
const MODE = { native: 1, generic: 2 } as const

describe('an XDP link', { skip: noLab }, () => {
  let lab: Lab
  beforeEach(() => {
    lab = new Lab()
  })
  afterEach(() => lab.close())

  for (const mode of ['native', 'generic'] as const) {
    test(`holds a program in ${mode} mode until it is closed`, () => {
      assert.equal(lab.link('vp').xdp, undefined)
      real(
        withDescriptor(loadProgram(xdpPass()), program =>
          // biome-ignore lint/correctness/useYield: what is seen meanwhile is seen by ip.
          withDescriptor(attachXdp(program, lab.peer, mode, lab.netns), function* () {
            assert.equal(lab.link('vp').xdp?.mode, MODE[mode])
          }),
        ),
      )
      assert.equal(lab.link('vp').xdp, undefined)
    })
  }

  test('is looked for in its namespace', () => {
    const attach = () =>
      real(
        withDescriptor(loadProgram(xdpPass()), program =>
          withDescriptor(attachXdp(program, 4711, 'native', lab.netns), () =>
            attachXdp(program, 1, 'native', lab.netns),
          ),
        ),
      )
    assert.throws(attach, { code: 'EINVAL', syscall: 'bpf BPF_LINK_CREATE' })
  })

  test('does not share the device', () => {
    const attach = () =>
      real(
        withDescriptor(loadProgram(xdpPass()), program =>
          withDescriptor(attachXdp(program, lab.peer, 'native', lab.netns), () =>
            attachXdp(program, lab.peer, 'native', lab.netns),
          ),
        ),
      )
    assert.throws(attach, { code: 'EBUSY' })
  })
})
