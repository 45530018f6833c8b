import type { SigraConfig } from '../config/sigra-config.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import type { ControllerPaths } from '../config/sigra-options.js';

/** Whoever mounts a controller wants it to work: without JWTs it could only refuse. */
export function assertJwtEnabled(config: SigraConfig, controller: keyof ControllerPaths): void {
  if (!config.jwt) throw new SigraConfigError(`controllers.${controller}`, 'needs JWTs; set jwt.enabled to true');
}
