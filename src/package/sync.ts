import './shared.ts'

export * from '../sync.ts'
