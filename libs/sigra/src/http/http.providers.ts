import { BodyLimits } from './body.limits.js';
import { ConnectionDrain } from './connection-drain.js';
import { LeakReportBytes } from './leak-report.bytes.js';
import { LeakResponder } from './leak.responder.js';
import { LeakSignatureVerifier } from './leak-signature.verifier.js';
import { MountedRoutes } from './mounted.routes.js';
import { FrameworkHooks } from './framework.hooks.js';
import { OAuthClientAuthenticator } from './oauth-client.authenticator.js';
import { OAuthParserErrors } from './oauth-parser.errors.js';
import { PublicDocuments } from './public.documents.js';

/** Everything that Nest instantiates in this folder, besides the controllers that the application mounts. */
export const httpProviders = [
  BodyLimits,
  ConnectionDrain,
  FrameworkHooks,
  LeakReportBytes,
  LeakResponder,
  LeakSignatureVerifier,
  MountedRoutes,
  OAuthClientAuthenticator,
  OAuthParserErrors,
  PublicDocuments,
];
