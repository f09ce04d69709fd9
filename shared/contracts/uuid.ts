/** The text of a uuid made of 16 bytes, with the version, and the variant of all that are made today, set as RFC 9562 asks. */
export function formatUuid(bytes: Buffer, version: 7 | 8): string {
  const stamped = Buffer.from(bytes);
  stamped[6] = (stamped.readUInt8(6) & 0x0f) | (version << 4);
  stamped[8] = (stamped.readUInt8(8) & 0x3f) | 0x80;
  const hex = stamped.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
