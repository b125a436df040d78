// What the host refuses is thrown as an error whose `payload` is the host's reason. The author is
// told in words.
export function saying(explain, work) {
  try {
    return work();
  } catch (error) {
    throw 'payload' in error ? new Error(explain(error.payload)) : error;
  }
}
