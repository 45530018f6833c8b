import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { catchError, type Observable } from 'rxjs';
import { responseOf } from '../auth/http-exchange.js';
import { toHttpRefusal } from '../auth/http-refusal.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';

/**
 * Gives what a service rejects with its HTTP form before any filter sees it: a host's filter that catches everything
 * comes before Sigra's, and takes all but an `HttpException` for a fault.
 */
@Injectable()
export class RefusalInterceptor implements NestInterceptor {
  constructor(@InjectSigraConfig() private readonly config: SigraConfig) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      catchError((error: unknown) => {
        if (!(error instanceof SigraError)) throw error;
        throw toHttpRefusal(error, this.config.realm).applyHeaders(responseOf(context));
      }),
    );
  }
}
