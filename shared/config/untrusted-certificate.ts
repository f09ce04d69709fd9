/** In the words of Node.js and OpenSSL: nobody trusted has issued it, it has another name, or this is not its time. */
const untrusted =
  /self[- ]signed|unable to (?:get|verify)|certificate has expired|certificate is not yet|altnames/i;

/** Whether an error's message says that a server's certificate was refused. */
export function isUntrustedCertificate(message: string): boolean {
  return untrusted.test(message);
}
