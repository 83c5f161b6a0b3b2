import { buildEmbeddedScene } from './embedded-scene.ts'
import { measure } from './measure.ts'
import { attachPrograms } from './program-on-nic.ts'

const scene = await buildEmbeddedScene(2, null)
for (const mode of ['native', 'generic'] as const)
  for (const peer of ['plain', 'gro', 'pass', 'drop'] as const) {
    await scene.setFeature(scene.peer, 'gro', peer === 'gro')
    const detach = await attachPrograms(scene, { mode, peer, size: 64, via: 'bpf_redirect', cores: 1 })
    const sample = await measure(scene, { frames: 300_000, size: 64, cores: [1] })
    console.log(mode, peer, JSON.stringify(sample), ((1e3 * sample.received) / sample.nanoseconds).toFixed(2))
    await detach()
  }
await scene.restore()
