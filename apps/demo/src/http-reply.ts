/** The methods of Express's response and Fastify's reply that the demo uses. */
export interface HttpReply {
  status(code: number): this;
  header(name: string, value: string): this;
}
