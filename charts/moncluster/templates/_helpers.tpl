{{- define "moncluster.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "moncluster.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "moncluster.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "moncluster.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "moncluster.operator" -}}
{{ include "moncluster.fullname" . }}-operator
{{- end }}

{{- define "moncluster.selector" -}}
app.kubernetes.io/name: {{ include "moncluster.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "moncluster.labels" -}}
{{ include "moncluster.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "moncluster.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "moncluster.operator" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.create is false: give serviceAccount.name" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "moncluster.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "moncluster.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "moncluster.podSecurity" -}}
runAsNonRoot: true
runAsUser: 167
runAsGroup: 167
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* What the operator does in namespaces that hold MonClusters. */}}
{{- define "moncluster.rules" -}}
- apiGroups: [moncluster.io]
  resources: [monclusters]
  verbs: [get, list, watch, patch, update]
- apiGroups: [moncluster.io]
  resources: [monclusters/status, monclusters/finalizers]
  verbs: [get, patch, update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [""]
  resources: [services, configmaps, persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, update, delete]
# Names of Secrets cannot be patterns; the operator touches only those that it made and labelled.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
