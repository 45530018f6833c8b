import { ConnectionDrain } from './connection-drain.js';
import { OAuthClientAuthenticator } from './oauth-client.authenticator.js';

/** Everything that Nest instantiates in this folder, besides the controllers that the application mounts. */
export const httpProviders = [ConnectionDrain, OAuthClientAuthenticator];
