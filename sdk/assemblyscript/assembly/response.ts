import { ArgBuf } from './argbuf';
import { writeDigits } from './failure';
import { setField, setFieldUtf8 } from './http';
import { View } from './view';

/**
 * What a function answers: a body, and for HTTP a status and headers. Callers other than HTTP get just the body.
 *
 *     return Response.json('{"error":"not found"}').status(404);
 */
export class Response {
  private body: ArgBuf;
  private code: i32 = 0;
  private contentType: string | null = null;
  private headers: Header | null = null;

  /** With an ArgBuf as body, which goes to the caller as it is: nothing is copied. A Request is an ArgBuf, too. */
  constructor(body: ArgBuf) {
    this.body = body;
  }

  /** Without a body. */
  static empty(): Response {
    return new Response(new ArgBuf(0));
  }

  /** With text, as `text/plain`. */
  static text(text: string): Response {
    return new Response(ArgBuf.text(text)).type('text/plain; charset=utf-8');
  }

  /** With JSON that is text already, as `application/json`. To write JSON, there is JsonWriter. */
  static json(json: string): Response {
    return new Response(ArgBuf.text(json)).type('application/json');
  }

  /** With a copy of bytes, as `application/octet-stream`. */
  static bytes(bytes: View): Response {
    return new Response(ArgBuf.copy(bytes)).type('application/octet-stream');
  }

  /** Sets the HTTP status, 200 to 599; 200 when none is set. */
  status(code: i32): this {
    if (code < 200 || code > 599) throw new RangeError('no HTTP status for a response');
    this.code = code;
    return this;
  }

  /** Sets the content type. */
  type(contentType: string): this {
    this.contentType = contentType;
    return this;
  }

  /** Sets a header. A name or value that HTTP does not allow stops the function when it returns the response. */
  header(name: string, value: string): this {
    this.headers = new Header(name, value, this.headers);
    return this;
  }

  /** For the entry of the module: hands everything to the server. Returns the address of the body, or 0. */
  send(): usize {
    if (this.code != 0) sendStatus(this.code);
    const contentType = this.contentType;
    if (contentType != null) setField('content-type', contentType);
    sendHeaders(this.headers);
    return this.body.handOver;
  }
}

class Header {
  constructor(
    public name: string,
    public value: string,
    public next: Header | null,
  ) {}
}

function sendStatus(code: i32): void {
  const text = heap.alloc(20);
  setFieldUtf8(':status', text, <i32>(writeDigits(code, text) - text));
  heap.free(text);
}

/** In the order in which they were set, which the list has in reverse, so that the last value of a name stays. */
function sendHeaders(last: Header | null): void {
  if (last == null) return;
  sendHeaders(last.next);
  setField(last.name, last.value);
}
