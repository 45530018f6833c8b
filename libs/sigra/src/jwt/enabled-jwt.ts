import { SigraError } from '../common/sigra-error.js';
import type { JwtConfig, SigraConfig } from '../config/sigra-config.js';

/**
 * Returns the configuration of JWTs.
 *
 * @throws SigraError `jwt_disabled` when JWTs are not enabled
 */
export function enabledJwt({ jwt }: SigraConfig): JwtConfig {
  if (jwt) return jwt;
  throw new SigraError('jwt_disabled', 'JWTs are not enabled; set jwt.enabled.');
}
