"""A settings file to begin with: every setting at its default, with what it means."""

DEFAULT_CONFIG = """\
# Settings of `groundglass serve --config FILE`. What stands here with a value is the default,
# apart from the folder. Relative paths belong to this file's folder.
# Research use only. Not a medical device.

folder = "node"             # spool, queue, results, audit file; on one local file system
# database = "postgresql+psycopg://groundglass@db/groundglass"   # default: SQLite in the folder
quiet_seconds = 30          # a study is complete when nothing came for so long
workers = 1                 # processes that analyze; each takes all cores and some GiB
lease_seconds = 60          # a worker silent for so long has lost its job
tries = 3                   # a job that fails more often is set aside
backoff_seconds = 30        # before the second try; then twice as long each time
drain_seconds = 60          # told to stop, a worker has so long to finish
audit_uids = false          # true: study UIDs in the audit file; false: their hashes

[dicom]                     # C-STORE and C-ECHO
enabled = true
host = "127.0.0.1"          # another address needs [[dicom.allowed]], and TLS or insecure = true
port = 11112
ae_title = "GROUNDGLASS"
check_called_ae_title = true
max_associations = 10
insecure = false            # true: no TLS on the network; the network must be trusted
# tls = { certificate = "node.pem", key = "node.key", ca = "senders.pem" }
# [[dicom.allowed]]         # who may send; without any: everybody on this machine
# ae_title = "SCANNER1"
# address = "10.0.0.7"

[http]                      # STOW-RS and the REST interface
enabled = true
host = "127.0.0.1"          # another address needs [[http.tokens]], and TLS or insecure = true
port = 8080
rate_per_minute = 1200      # requests of one token or address
max_uploads = 4             # at a time
insecure = false            # true: no TLS here, because a proxy in front has it
# tls = { certificate = "node.pem", key = "node.key" }
# [[http.tokens]]
# name = "pacs"
# sha256 = "0000000000000000000000000000000000000000000000000000000000000000"   # of the token
# scopes = ["submit"]       # submit, read, admin

[limits]                    # beyond them a sender is refused
max_object_mib = 1024
max_study_mib = 8192
max_instances = 10000       # of a study
max_studies_waiting = 200
free_disk_mib = 2048        # stays free

[retention]                 # days after a study was dealt with; 0: with the next round
studies_days = 7
results_days = 30

[analysis]                  # as in `groundglass analyze`
engine = "auto"
device = "auto"
# lesion_model = "ta-segnet"
# classifier = "NAME"
# dicom = ["seg", "sr", "pdf", "sc"]   # default: seg, sr and pdf where the headers allow them
minutes = 60                # a longer analysis is killed

[send]                      # to the peers that rules name
tries = 10
backoff_seconds = 30
longest_backoff_seconds = 3600
timeout_seconds = 60
parallel = 4                # results on their way at once

# [peers.pacs]
# kind = "dicom"
# ae_title = "PACS"
# host = "pacs.example.org"
# port = 104
# calling_ae_title = "GROUNDGLASS"
# tls = { ca = "pacs-ca.pem" }

# [peers.archive]
# kind = "stow"
# url = "https://archive.example.org/dicom-web"
# token_file = "archive.token"
# ca = "archive-ca.pem"

# Without rules every CT is analyzed. With rules, the first that fits a series decides.
# [[rules]]
# name = "no scouts"
# series_description = "scout|topogram|localizer"
# action = "ignore"
#
# [[rules]]
# name = "thin chest"
# modality = ["CT"]
# body_part = ["CHEST", "THORAX"]
# slice_thickness_mm = [0.5, 3.0]
# calling_ae_title = ["SCANNER1"]
# action = "analyze"
# dicom = ["seg", "sr", "pdf"]
# lesion_model = "ta-segnet"
# classifier = "NAME"
# send_to = ["pacs"]
"""
