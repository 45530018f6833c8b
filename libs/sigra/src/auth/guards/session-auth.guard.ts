import { Injectable } from '@nestjs/common';
import { CredentialGuard } from './credential.guard.js';

/**
 * Takes browser sessions only: for what a user must do in person. A request with an `Authorization` header is refused.
 */
@Injectable()
export class SessionAuthGuard extends CredentialGuard {
  protected readonly accepted = { bearer: false, session: true };
}
