import { Controller, Header, HttpCode, Post, Req, UseInterceptors } from '@nestjs/common';
import { AllowAnonymous } from '../auth/auth.decorators.js';
import { callerOf, type HttpRequest } from '../auth/http-exchange.js';
import { parseLeakReport } from './leak-report.js';
import { LeakReportBytes } from './leak-report.bytes.js';
import { LeakSignatureVerifier } from './leak-signature.verifier.js';
import { LeakResponder, type LeakVerdict } from './leak.responder.js';
import { RefusalInterceptor } from './refusal.interceptor.js';

/** Receives the reports of GitHub's secret scanning partner program. Their signature is the only credential. */
@Controller()
@UseInterceptors(RefusalInterceptor)
export class LeakController {
  constructor(
    private readonly bytes: LeakReportBytes,
    private readonly signatures: LeakSignatureVerifier,
    private readonly responder: LeakResponder,
  ) {}

  @Post()
  @AllowAnonymous()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async report(@Req() request: HttpRequest): Promise<LeakVerdict[]> {
    const bytes = this.bytes.of(request);
    await this.signatures.assertSigned(request, bytes);
    return this.responder.respond(parseLeakReport(bytes), callerOf(request));
  }
}
