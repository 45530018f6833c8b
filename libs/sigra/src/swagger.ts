export { describeSigra, type DescribeSigraOptions } from './integrations/swagger/describe-sigra.js';
