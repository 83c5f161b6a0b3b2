import './shared.ts'

export * from '../index.ts'
