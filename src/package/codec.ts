import './shared.ts'

export * from '../codec.ts'
