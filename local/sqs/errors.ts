/** What a failed action says about itself, on the wire and in the results of a batch. */
interface ErrorDetails {
  /** The code of the older query protocol, where it differs from the name of the error. */
  code?: string;
  status?: number;
  /** `com.amazonaws.sqs` for errors the API describes; request validation answers with the framework's own names. */
  namespace?: string;
}

/** A refusal that reaches the client as the error the real service would have sent. */
export class SqsError extends Error {
  /** The name by which a JSON client looks up the error, such as `com.amazonaws.sqs#QueueDoesNotExist`. */
  readonly type: string;
  readonly code: string;
  readonly status: number;

  constructor(name: string, message: string, details: ErrorDetails = {}) {
    super(message);
    this.name = name;
    this.type = `${details.namespace ?? "com.amazonaws.sqs"}#${name}`;
    this.code = details.code ?? name;
    this.status = details.status ?? 400;
  }
}

const VALIDATION_NAMESPACE = "com.amazon.coral.service";

export function invalidParameter(message: string): SqsError {
  return new SqsError("InvalidParameterValueException", message, {
    code: "InvalidParameterValue",
    namespace: VALIDATION_NAMESPACE,
  });
}

export function missingParameter(name: string): SqsError {
  return new SqsError("MissingRequiredParameterException", `The request must contain the parameter ${name}.`, {
    code: "MissingParameter",
    namespace: VALIDATION_NAMESPACE,
  });
}

export function malformedRequest(message: string): SqsError {
  return new SqsError("SerializationException", message, { namespace: VALIDATION_NAMESPACE });
}

export function unknownAction(action: string): SqsError {
  return new SqsError("UnknownOperationException", `The action ${action} is not valid for this endpoint.`, {
    code: "InvalidAction",
    namespace: VALIDATION_NAMESPACE,
  });
}

export function queueDoesNotExist(): SqsError {
  return new SqsError("QueueDoesNotExist", "The specified queue does not exist.", {
    code: "AWS.SimpleQueueService.NonExistentQueue",
  });
}

export function queueNameExists(attribute: string): SqsError {
  const message = `A queue already exists with the same name and a different value for attribute ${attribute}`;
  return new SqsError("QueueNameExists", message, { code: "QueueAlreadyExists" });
}

export function invalidAttributeName(name: string): SqsError {
  return new SqsError("InvalidAttributeName", `Unknown Attribute ${name}.`);
}

export function invalidAttributeValue(name: string, reason?: string): SqsError {
  const message = `Invalid value for the parameter ${name}.`;
  return new SqsError("InvalidAttributeValue", reason === undefined ? message : `${message} Reason: ${reason}`);
}

export function invalidMessageContents(): SqsError {
  return new SqsError("InvalidMessageContents", "Invalid characters found.");
}

export function receiptHandleIsInvalid(handle: string): SqsError {
  return new SqsError("ReceiptHandleIsInvalid", `The input receipt handle "${handle}" is not a valid receipt handle.`, {
    status: 404,
  });
}

export function receiptHandleHasExpired(handle: string): SqsError {
  return invalidParameter(
    `Value ${handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
  );
}

export function messageNotInFlight(): SqsError {
  return new SqsError("MessageNotInflight", "The specified message isn't in flight.", {
    code: "AWS.SimpleQueueService.MessageNotInflight",
  });
}

export function resourceNotFound(message: string): SqsError {
  return new SqsError("ResourceNotFoundException", message, { status: 404 });
}

export function batchError(name: string, message: string): SqsError {
  return new SqsError(name, message, { code: `AWS.SimpleQueueService.${name}` });
}
