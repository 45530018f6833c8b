import type { ForeignToken } from '../config/sigra-options.js';
import type { IdentifiedToken } from '../jwt/access-token.verifier.js';
import type { AuthorizationHeader } from './authorization-header.js';
import type { GuardedCall, HttpRequest } from './http-exchange.js';

/** What a guard has read of a request before it calls another guard, which takes it over. */
export interface ReadAhead {
  /** The authenticator that has read it. */
  readonly by: object;
  readonly request: HttpRequest;
  /** The credential in the headers. */
  readonly sent: AuthorizationHeader;
  /** The JWT that was sent, once its signature has been verified. Its state in the database has not. */
  signed?: SignedToken;
}

/** The content of a JWT with a valid signature, of this application or of a trusted issuer. */
export type SignedToken =
  | { readonly own: IdentifiedToken; readonly foreign?: never }
  | { readonly foreign: ForeignToken; readonly own?: never };

/** Only the guard that is called takes it: one that follows reads the headers as they are then. */
export function takeAhead(by: object, request: HttpRequest, call: GuardedCall): ReadAhead | undefined {
  const { ahead } = call;
  if (!ahead) return undefined;
  call.ahead = undefined;
  return ahead.by === by && ahead.request === request ? ahead : undefined;
}
