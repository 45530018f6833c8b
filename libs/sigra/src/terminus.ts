export { SigraHealthIndicator } from './integrations/terminus/sigra-health.indicator.js';
