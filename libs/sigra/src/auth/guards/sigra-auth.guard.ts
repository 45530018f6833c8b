import { Injectable } from '@nestjs/common';
import { CredentialGuard } from './credential.guard.js';

/**
 * Takes bearer credentials and browser sessions alike, so that one controller serves scripts and pages. An
 * `Authorization` header decides alone; without it the session counts.
 */
@Injectable()
export class SigraAuthGuard extends CredentialGuard {
  protected readonly accepted = { bearer: true, session: true };
}
