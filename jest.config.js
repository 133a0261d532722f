// The compiled code is what is tested (docs/architecture.md): no transformer, no module mapper.
export default {
  testEnvironment: 'node',
  transform: {},
  testMatch: ['<rootDir>/*/dist/test/**/*.test.js', '<rootDir>/test/dist/**/*.test.js'],
  testTimeout: 30_000,
  // Every test has folders and ports of its own. More at once would only wait for two cores.
  maxWorkers: 2,
};
