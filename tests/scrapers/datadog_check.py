"""Runs the Datadog Agent's OpenMetrics check with the configuration in a file: once for each line of the input, to which
it answers with a line of JSON, which has that line. Run by datadog.rs."""

import io
import json
import logging
import signal
import sys

import yaml

signal.alarm(300)  # whatever hangs

log = io.StringIO()
handler = logging.StreamHandler(log)

from datadog_checks.base import OpenMetricsBaseCheckV2  # noqa: E402  its import configures the logging
from datadog_checks.base.stubs import aggregator  # noqa: E402

for logger in [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]:
    logger.setLevel(1)
logging.getLogger().addHandler(handler)

with open(sys.argv[1]) as file:
    config = yaml.safe_load(file)
check = OpenMetricsBaseCheckV2('openmetrics', config['init_config'] or {}, config['instances'])

for line in sys.stdin:
    aggregator.reset()
    error = check.run()  # a traceback in JSON, or nothing
    samples = {name: aggregator.metrics(name)[0].value for name in aggregator.metric_names}
    health = [(found.status, found.message) for found in aggregator.service_checks('my_service.openmetrics.health')]
    report = {'line': line.strip(), 'error': error, 'samples': samples, 'health': health, 'log': log.getvalue()}
    print(json.dumps(report), flush=True)
