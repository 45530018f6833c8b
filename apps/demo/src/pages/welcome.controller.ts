import { Get, Headers } from '@nestjs/common';
import { OptionalAuth } from 'nestjs-sigra';
import { DEMO_PASSWORD, DEMO_USERS } from '../database/seed.js';
import { firstSteps } from '../welcome/first-steps.js';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';

/** Has the form of a token, but a wrong checksum. */
const SPECIMEN = {
  prefix: 'sigra_sk_',
  secret: 'SPECIMENspecimenSPECIMENspecimenSPECIMENspe',
  checksum: '000000',
};

/** The first page, for everyone: what the demo is, and its main job in three lines. */
@PageController()
export class WelcomeController {
  @Get()
  @OptionalAuth()
  show(@Headers('host') host = 'localhost'): View {
    const accounts = DEMO_USERS.map(({ email }) => email);
    const data = { specimen: SPECIMEN, steps: firstSteps(`http://${host}`), accounts, password: DEMO_PASSWORD };
    return view('welcome', 'Welcome', data);
  }
}
