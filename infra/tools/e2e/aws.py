"""`aws.py SERVICE OPERATION [JSON]`: one call of AWS, with boto3's names; the answer as JSON.

Address and credentials are in the environment, as for every SDK.
"""

import json
import sys

import boto3


def main(service, operation, parameters="{}"):
    answer = getattr(boto3.client(service), operation)(**json.loads(parameters))
    answer.pop("ResponseMetadata", None)
    json.dump(answer, sys.stdout, default=str)


if __name__ == "__main__":
    main(*sys.argv[1:])
