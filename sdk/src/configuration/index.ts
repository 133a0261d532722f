// Following the global configuration: for security servers, witnesses and auditors.
export { ConfigurationClient, type ConfigurationClientOptions } from './configuration-client.js';
export { httpConfigurationSource, type ConfigurationSource } from './configuration-source.js';
export { ConfigurationStore } from './configuration-store.js';
export type { ReferenceStanding } from './named-configurations.js';
export { addCheckpoint, WitnessDisagrees, type CheckpointSubmission } from './witness-client.js';
