/** Tests run from the TypeScript sources, compiled in memory; `npm test` starts the servers they need. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/services', '<rootDir>/shared', '<rootDir>/deploy', '<rootDir>/bench', '<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } }],
    '/node_modules/(?:cookie|jose)/.+\\.js$': ['@swc/jest', { jsc: { target: 'es2022' } }],
  },
  // These are ES modules, which jest can't require before Node 24. (Fastify's inject requires cookie.)
  transformIgnorePatterns: ['/node_modules/(?!(?:cookie|jose)/)'],
  testTimeout: 30_000,
};
