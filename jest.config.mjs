/** Tests run from the TypeScript sources, compiled in memory; `npm test` starts the servers they need. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/services', '<rootDir>/shared', '<rootDir>/deploy', '<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } }],
    '/node_modules/cookie/.+\\.js$': ['@swc/jest', { jsc: { target: 'es2022' } }],
  },
  // Fastify's inject requires cookie, which is an ES module; jest can't require those before Node 24.
  transformIgnorePatterns: ['/node_modules/(?!cookie/)'],
  testTimeout: 30_000,
};
