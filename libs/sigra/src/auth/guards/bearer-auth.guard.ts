import { Injectable } from '@nestjs/common';
import { CredentialGuard } from './credential.guard.js';

/**
 * Takes bearer credentials only: a session is no credential here.
 */
@Injectable()
export class BearerAuthGuard extends CredentialGuard {
  protected readonly accepted = { bearer: true, session: false };
}
