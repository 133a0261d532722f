// Following the global configuration: for security servers, witnesses and auditors.
export {
  ConfigurationClient,
  type ConfigurationClientOptions,
  type ReferenceStanding,
} from './configuration-client.js';
export { httpConfigurationSource, type ConfigurationSource } from './configuration-source.js';
export { ConfigurationStore } from './configuration-store.js';
export { addCheckpoint, WitnessDisagrees, type CheckpointSubmission } from './witness-client.js';
