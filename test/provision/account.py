"""What an AWS account holds, as boto3 sees it, and what somebody may do to it behind imgrec's back.

    AWS_ENDPOINT_URL=... AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... python account.py inventory CLUSTER
    ... python account.py drift CLUSTER

`inventory` prints {kind: [names]} as JSON, without what every account has from its first day (the default VPC and its security
group, Amazon's parameters and documents). `drift` changes one thing of each kind of a cluster. It shares no code with imgrec:
what both agree on was not agreed on by one of them.
"""

import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def client(service):
    return boto3.client(
        service,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def every(client, operation, key, **arguments):
    """All of a list, page after page."""
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page.get(key, [])]


def named(thing, key):
    """Its id, and the cluster that it says it belongs to."""
    tags = {tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])}
    return f"{thing[key]} of {tags.get('imgrec:cluster', 'nobody')}"


def documents(ssm, cluster):
    name = f"{cluster}-drain"
    try:
        owned = [{"Key": "Owner", "Values": ["Self"]}]
        return [document["Name"] for document in every(ssm, "list_documents", "DocumentIdentifiers", Filters=owned)]
    except ClientError as error:
        # The local cloud does not list documents; it has those of the cluster, or it does not.
        if error.response["Error"]["Code"] != "UnknownOperationException":
            raise
    try:
        return [ssm.get_document(Name=name)["Name"]]
    except ssm.exceptions.InvalidDocument:
        return []


def inventory(cluster):
    s3, sqs, ssm, iam, ec2 = (client(name) for name in ("s3", "sqs", "ssm", "iam", "ec2"))
    instances = [
        instance
        for reservation in every(ec2, "describe_instances", "Reservations")
        for instance in reservation["Instances"]
        if instance["State"]["Name"] not in ("terminated", "shutting-down")
    ]
    return {
        "bucket": [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]],
        "queue": [url.split("/")[-1] for url in every(sqs, "list_queues", "QueueUrls")],
        "parameter": [
            parameter["Name"]
            for parameter in every(ssm, "get_parameters_by_path", "Parameters", Path="/imgrec", Recursive=True)
        ],
        "document": documents(ssm, cluster),
        "role": [role["RoleName"] for role in every(iam, "list_roles", "Roles") if not role["Path"].startswith("/aws-service-role/")],
        "profile": [profile["InstanceProfileName"] for profile in every(iam, "list_instance_profiles", "InstanceProfiles")],
        "security-group": [
            group["GroupName"]
            for group in every(ec2, "describe_security_groups", "SecurityGroups")
            if group["GroupName"] != "default"
        ],
        "launch-template": [
            # moto shows 15 and no token for the rest, unless it is asked for more.
            template["LaunchTemplateName"]
            for template in ec2.describe_launch_templates(MaxResults=200)["LaunchTemplates"]
        ],
        "instance": [named(instance, "InstanceId") for instance in instances],
        "address": [named(address, "AllocationId") for address in ec2.describe_addresses()["Addresses"]],
    }


def drift(cluster):
    s3, sqs, ssm, iam, ec2 = (client(name) for name in ("s3", "sqs", "ssm", "iam", "ec2"))
    bucket = next(b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"].startswith(f"{cluster}-input-"))
    s3.delete_public_access_block(Bucket=bucket)
    queue = sqs.list_queues(QueueNamePrefix=f"{cluster}-requests")["QueueUrls"]
    url = next(each for each in queue if each.endswith("-requests"))
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "3600"})
    ssm.put_parameter(Name=f"/imgrec/{cluster}/settings", Value='{"max-receives":99}', Overwrite=True)
    iam.put_role_policy(
        RoleName=f"{cluster}-worker",
        PolicyName="everything",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        ),
    )
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [f"{cluster}-worker"]}])
    ec2.authorize_security_group_ingress(
        GroupId=group["SecurityGroups"][0]["GroupId"],
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ],
    )
    template = ec2.create_launch_template_version(
        LaunchTemplateName=f"{cluster}-worker",
        SourceVersion="1",
        LaunchTemplateData={"MetadataOptions": {"HttpTokens": "optional", "HttpPutResponseHopLimit": 3}},
    )
    ec2.modify_launch_template(
        LaunchTemplateName=f"{cluster}-worker",
        DefaultVersion=str(template["LaunchTemplateVersion"]["VersionNumber"]),
    )
    address = ec2.describe_addresses(Filters=[{"Name": "tag:imgrec:cluster", "Values": [cluster]}])["Addresses"][0]
    ec2.disassociate_address(AssociationId=address["AssociationId"])


if sys.argv[1] == "inventory":
    print(json.dumps(inventory(sys.argv[2])))
else:
    drift(sys.argv[2])
