export {
  SigraOpenTelemetryModule,
  type SigraOpenTelemetryOptions,
} from './integrations/opentelemetry/sigra-open-telemetry.module.js';
