import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { sendRefusal } from '../auth/http-refusal.js';
import { toOAuthError } from './oauth-error.js';

/**
 * Answers all errors of the OAuth endpoints in the form of RFC 6749 section 5.2: those of services, guards and the
 * application.
 */
@Catch()
@Injectable()
export class OAuthExceptionFilter implements ExceptionFilter<unknown> {
  private readonly logger = new Logger(OAuthExceptionFilter.name);

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    sendRefusal(toOAuthError(exception), host, this.adapterHost, this.logger);
  }
}
