import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { HttpResponse } from './http-exchange.js';
import { HttpRefusal, toHttpRefusal } from './http-refusal.js';

/**
 * Answers what services and guards reject with: status, `WWW-Authenticate` or `Retry-After`, and a JSON body of
 * `statusCode`, `error` and `message`. `SigraModule` registers it for the whole application.
 */
@Catch(SigraError, HttpRefusal)
@Injectable()
export class SigraExceptionFilter implements ExceptionFilter<SigraError | HttpRefusal> {
  private readonly logger = new Logger(SigraExceptionFilter.name);

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  catch(exception: SigraError | HttpRefusal, host: ArgumentsHost): void {
    // Other transports have answers of their own; theirs is the last word.
    if (host.getType() !== 'http') throw exception;
    const refusal = exception instanceof HttpRefusal ? exception : toHttpRefusal(exception, this.config.realm);
    if (refusal.getStatus() >= 500) this.report(refusal.cause);
    const response: HttpResponse = host.switchToHttp().getResponse();
    refusal.applyHeaders(response);
    this.adapterHost.httpAdapter.reply(response, refusal.getResponse(), refusal.getStatus());
  }

  private report(error: unknown): void {
    const { message, cause } = error as SigraError;
    this.logger.error(cause instanceof Error ? `${message} ${cause.message}` : message);
  }
}
