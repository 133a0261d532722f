// The one form that a parent sees, from which three are cut: birth registration (A), residence (B), health insurance
// (C). For each field: its words, the authority that holds it, and whether the parent may change or must give it.
import type { Names } from './directory.js';
import type { Household, Notification, Person } from './records.js';

/** H Health · D population · R residence · L code lists · J civil status · S Social Security · I sign-in · P person. */
export type Source = 'H' | 'D' | 'R' | 'L' | 'J' | 'S' | 'I' | 'P';
/** `follows`: made by its authority in this very procedure, so nobody can fill it in yet. */
export type Mode = 'readonly' | 'editable' | 'ask' | 'follows';

export interface Sources {
  readonly notification: Notification;
  readonly mother: Person;
  readonly father: Person;
  readonly household: Household;
  readonly commune: { readonly ward_code: string; readonly name: string; readonly province_code: string };
  readonly clinics: readonly { readonly code: string; readonly name: string }[];
  readonly parent: Person;
}

export interface Field {
  readonly id: string;
  readonly names: Names;
  readonly from: Source;
  readonly mode: Mode;
  /** The authority's value; undefined where the parent gives it or it follows. */
  readonly value?: string;
}

type Row = readonly [
  id: string,
  vi: string,
  en: string,
  from: Source,
  mode: Mode,
  value?: (s: Sources) => string,
];

const residenceOf = ({ household }: Sources): string => `${household.address}, ${household.communeCode}`;

const ROWS: readonly Row[] = [
  ['A1', 'Họ, chữ đệm, tên người yêu cầu', 'Requester: name', 'I', 'readonly', (s) => s.parent.name],
  ['A2', 'Nơi cư trú', 'Requester: residence', 'R', 'readonly', residenceOf],
  ['A3', 'Số định danh', 'Requester: number', 'I', 'readonly', (s) => s.parent.personalNumber],
  ['A4', 'Quan hệ với người được khai sinh', 'Relation to the child', 'P', 'ask'],
  ['A5', 'Họ, chữ đệm, tên trẻ', "Child's name", 'P', 'ask', (s) => s.notification.intendedName],
  ['A6', 'Ngày, tháng, năm sinh', 'Date of birth', 'H', 'readonly', (s) => s.notification.bornOn],
  ['A7', 'Giới tính', 'Sex', 'H', 'readonly', (s) => s.notification.sex],
  ['A8', 'Dân tộc', 'Ethnicity', 'D', 'editable', (s) => s.father.ethnicity],
  ['A9', 'Quốc tịch', 'Nationality', 'D', 'editable', (s) => s.father.nationality],
  [
    'A10',
    'Nơi sinh',
    'Place of birth',
    'H',
    'readonly',
    (s) => `${s.notification.facility}, ${s.commune.name}`,
  ],
  ['A11', 'Quê quán', 'Native place', 'D', 'editable', (s) => s.father.nativePlace],
  ['A12', 'Mẹ: họ tên', 'Mother: name', 'D', 'readonly', (s) => s.mother.name],
  ['A13', 'Mẹ: năm sinh', 'Mother: year of birth', 'D', 'readonly', (s) => s.mother.bornOn.slice(0, 4)],
  ['A14', 'Mẹ: dân tộc', 'Mother: ethnicity', 'D', 'readonly', (s) => s.mother.ethnicity],
  ['A15', 'Mẹ: quốc tịch', 'Mother: nationality', 'D', 'readonly', (s) => s.mother.nationality],
  ['A16', 'Mẹ: nơi cư trú', 'Mother: residence', 'R', 'readonly', residenceOf],
  ['A17', 'Mẹ: số định danh', 'Mother: number', 'H', 'readonly', (s) => s.mother.personalNumber],
  ['A18', 'Cha: họ tên', 'Father: name', 'D', 'readonly', (s) => s.father.name],
  ['A19', 'Cha: năm sinh', 'Father: year of birth', 'D', 'readonly', (s) => s.father.bornOn.slice(0, 4)],
  ['A20', 'Cha: dân tộc', 'Father: ethnicity', 'D', 'readonly', (s) => s.father.ethnicity],
  ['A21', 'Cha: quốc tịch', 'Father: nationality', 'D', 'readonly', (s) => s.father.nationality],
  ['A22', 'Cha: nơi cư trú', 'Father: residence', 'R', 'readonly', residenceOf],
  ['A23', 'Cha: số định danh', 'Father: number', 'J', 'readonly', (s) => s.father.personalNumber],
  ['A24', 'Số lượng bản sao đề nghị cấp', 'Copies wanted', 'P', 'ask'],
  ['B4', 'Số định danh của trẻ', "Child's number", 'D', 'follows'],
  ['B7', 'Họ tên chủ hộ', 'Household head: name', 'R', 'readonly', (s) => s.household.headName],
  ['B8', 'Mối quan hệ với chủ hộ', 'Relation to the head', 'P', 'ask'],
  ['B9', 'Số định danh chủ hộ', 'Household head: number', 'R', 'readonly', (s) => s.household.headNumber],
  ['B10', 'Nơi đăng ký thường trú', "Residence: mother's or father's", 'P', 'ask', residenceOf],
  ['C9', 'Nơi đăng ký khai sinh', 'Place of registration', 'L', 'readonly', (s) => s.commune.name],
  ['C11', 'Địa chỉ nhận kết quả', 'Delivery address', 'R', 'editable', residenceOf],
  [
    'C12',
    'Nơi đăng ký khám chữa bệnh ban đầu',
    'First-contact clinic',
    'P',
    'ask',
    (s) => s.clinics.map(({ code }) => code).join(' '),
  ],
  ['C13', 'Mã số hộ gia đình', 'Household code', 'R', 'readonly', (s) => s.household.householdCode],
];

/** Each distinct fact once; where B and C repeat A, the parent does not see it again. */
export function fillForm(sources: Sources): Field[] {
  return ROWS.map(([id, vi, en, from, mode, value]) => ({
    id,
    names: { en, vi },
    from,
    mode,
    ...(value === undefined ? {} : { value: value(sources) }),
  }));
}
