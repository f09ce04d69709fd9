import { createServer } from 'node:http';

/*
 * Where the services send their spans: it reads them and answers, no more, and writes its address to standard output.
 * In production spans go to another machine; keeping them here would cost the processors that are measured.
 */

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => response.setHeader('content-type', 'application/json').end('{}'));
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object')
    process.stdout.write(`http://127.0.0.1:${address.port}\n`);
});
